// A real table whose numbers change in place: rows and cells stay, so focus, scroll and selection do too.

import { el, fill } from '../shared/elements.js';
import { named } from './words.js';

/** `columns`: [{title, n?, hidden?, wide?, spare?, sorted?, sort?: () => void}]; the first one names the row, and a phone has no room for spare ones. */
export class Table {
  #columns = null;
  #head = el('thead');
  #body = el('tbody');
  element;

  constructor(caption) {
    const table = el('table', {}, el('caption', { class: 'hidden' }, caption), this.#head, this.#body);
    this.element = el('div', { class: 'scroll', role: 'region', 'aria-label': `${caption}, as a table`, tabindex: '0' }, table);
  }

  /**
   * `rows`: lists of cells. A cell is a text, {text, href?, title?, tone?}, {bar: 0 to 1}, or {facts, make} that makes
   * elements anew when its facts change.
   */
  draw(columns, rows) {
    if (JSON.stringify(columns) !== JSON.stringify(this.#columns)) {
      const place = [...this.#head.querySelectorAll('th')].findIndex((cell) => cell.contains(document.activeElement));
      this.#columns = columns;
      this.#head.replaceChildren(el('tr', {}, ...columns.map(heading)));
      this.#head.querySelectorAll('th')[place]?.querySelector('button')?.focus();
      this.#body.replaceChildren();
    }
    while (this.#body.rows.length > rows.length) this.#body.lastChild.remove();
    rows.forEach((cells, at) => {
      const row = this.#body.rows[at] ?? this.#body.appendChild(this.#row());
      cells.forEach((cell, place) => this.#fill(row.cells[place], cell));
    });
  }

  #row() {
    return el('tr', {}, ...this.#columns.map(({ n, wide, bar, spare }, place) => (place === 0
      ? el('th', { scope: 'row' })
      : el('td', { class: [n && 'n', wide && 'wide', bar && 'bar', spare && 'spare'].filter(Boolean).join(' ') || null }))));
  }

  #fill(place, cell) {
    const whole = cell !== null && typeof cell === 'object' ? cell : { text: cell };
    fill(place, whole.make ? whole.facts : whole, () => make(whole));
  }
}

function heading({ title, n, hidden, sort, sorted, spare }) {
  const words = hidden ? el('span', { class: 'hidden' }, title) : sort ? el('button', { class: 'sort', type: 'button', onclick: sort }, title, el('span', { 'aria-hidden': 'true' }, sorted ? ' ↓' : '')) : title;
  return el('th', { scope: 'col', class: [n && 'n', spare && 'spare'].filter(Boolean).join(' ') || null, 'aria-sort': sorted ? 'descending' : null }, words);
}

function make({ text, href, title, tone, bar, make: build }) {
  if (build) return build();
  if (bar !== undefined) {
    const line = el('i');
    line.style.width = `${Math.max(0, Math.min(1, bar)) * 100}%`;
    return line;
  }
  const shown = named(text, '');
  if (href) return el('a', { href, title }, shown === '' ? named('') : shown);
  return tone || title ? el('span', { class: tone, title }, shown) : shown;
}

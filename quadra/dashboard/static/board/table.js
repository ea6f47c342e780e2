// A real table whose numbers change in place: rows and cells stay, so focus, scroll and selection do too. Its headings sort, long
// ones show a page at a time, and all of it can be copied into a spreadsheet.

import { copyButton } from '../shared/copy.js';
import { el, fill, parted } from '../shared/elements.js';
import { drawPager, PAGE } from '../shared/pager.js';
import { nextSort, sortable, sortHeading, sorted } from '../shared/sorting.js';
import { named } from './words.js';

/**
 * `columns`: [{title, n?, hidden?, wide?, spare?, ordered?, sorted?, sort?: () => void}]; the first one names the row, and a phone
 * has no room for spare ones. With `sort` the server sorts; of an `ordered` one the rows come in its order.
 */
export class Table {
  #columns = [];
  #rows = [];
  #heads = null;
  #by = null;
  #first = 0;
  #head = el('thead');
  #body = el('tbody');
  #pager = el('div', { class: 'pager', hidden: true });
  /** A button for the head of a panel. */
  copy;
  element;

  constructor(caption) {
    const table = el('table', {}, el('caption', { class: 'hidden' }, caption), this.#head, this.#body);
    this.element = el('div', { class: 'whole-table' }, el('div', { class: 'scroll', role: 'region', 'aria-label': `${caption}, as a table`, tabindex: '0' }, table), this.#pager);
    this.copy = copyButton(() => this.#text(), { 'aria-label': `Copy the table: ${caption}`, title: 'Copy the table' });
  }

  /**
   * `rows`: lists of cells. A cell is a text, {text, href?, title?, tone?, sort?}, {bar: 0 to 1}, or {facts, make} that makes
   * elements anew when its facts change; `sort` is what it is worth.
   */
  draw(columns, rows) {
    this.#columns = columns;
    this.#rows = rows;
    if (this.#by && this.#by.title !== columns[this.#by.place]?.title) this.#by = null;
    this.#draw();
  }

  #draw() {
    this.#drawHead();
    const all = this.#ordered();
    if (this.#first >= all.length) this.#first = 0;
    const rows = all.slice(this.#first, this.#first + PAGE);
    while (this.#body.rows.length > rows.length) this.#body.lastChild.remove();
    rows.forEach((cells, at) => {
      const row = this.#body.rows[at] ?? this.#body.appendChild(this.#row());
      cells.forEach((cell, place) => this.#fill(row.cells[place], cell));
    });
    this.#drawPager(all.length);
  }

  #drawHead() {
    const heads = this.#columns.map((column, place) => ({ ...column, sort: column.sort ?? this.#sortBy(column, place), ...(this.#by?.place === place ? { sorted: true, up: !this.#by.down } : {}) }));
    const facts = JSON.stringify(heads.map(({ sort, ...head }) => ({ ...head, sorts: Boolean(sort) })));
    if (facts === this.#heads) return;
    const place = [...this.#head.querySelectorAll('th')].findIndex((cell) => cell.contains(document.activeElement));
    const same = this.#head.querySelectorAll('th').length === heads.length;
    this.#heads = facts;
    this.#head.replaceChildren(el('tr', {}, ...heads.map(heading)));
    this.#head.querySelectorAll('th')[place]?.querySelector('button')?.focus();
    if (!same) this.#body.replaceChildren();
  }

  /** A click sorts, the next one turns the order round, and the third gives the first order back. */
  #sortBy({ title, n, hidden, bar, ordered }, place) {
    if (hidden || bar || this.#columns.some(({ sort }) => sort)) return null;
    if (!ordered && !sortable(this.#rows, place)) return null;
    return () => {
      const next = nextSort(this.#by, place, Boolean(n));
      this.#by = next && { ...next, title };
      this.#first = 0;
      this.#draw();
    };
  }

  #ordered() {
    if (!this.#by) return this.#rows;
    const { place, down } = this.#by;
    if (this.#columns[place].ordered) return down === (this.#columns[place].ordered === 'down') ? this.#rows : this.#rows.toReversed();
    return sorted(this.#rows, place, down);
  }

  #drawPager(many) {
    drawPager(this.#pager, this.#first, many, (to) => {
      this.#first = to;
      this.#draw();
      this.element.firstChild.scrollTop = 0;
    });
  }

  /** With tabs between cells: what spreadsheets take. */
  #text() {
    const shown = this.#columns.map(({ hidden, bar }, place) => (hidden || bar ? null : place)).filter((place) => place !== null);
    const rows = this.#ordered().map((cells) => shown.map((place) => plain(cells[place])));
    return [shown.map((place) => this.#columns[place].title), ...rows].map((cells) => cells.join('\t')).join('\n');
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

const plain = (cell) => String((cell?.make ? cell.make().textContent : cell !== null && typeof cell === 'object' ? named(cell.text, '') : cell) ?? '').replace(/[\t\n\r]+/g, ' ');

function heading({ title, n, hidden, sort, sorted: by, up, spare }) {
  const words = hidden ? el('span', { class: 'hidden' }, title) : sort ? sortHeading(title, by ? (up ? 'up' : 'down') : null, sort) : title;
  return el('th', { scope: 'col', class: [n && 'n', spare && 'spare'].filter(Boolean).join(' ') || null, 'aria-sort': by ? (up ? 'ascending' : 'descending') : null }, words);
}

function make({ text, href, title, tone, bar, make: build }) {
  if (build) return build();
  if (bar !== undefined) {
    const line = el('i');
    line.style.width = `${Math.max(0, Math.min(1, bar)) * 100}%`;
    return line;
  }
  const shown = named(text, '');
  if (href) return el('a', { href, title }, ...parted(shown === '' ? named('') : shown));
  return tone || title ? el('span', { class: tone, title }, ...parted(shown)) : parted(shown);
}

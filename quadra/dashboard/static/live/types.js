// What are people doing: one row per event name. Rows are kept and rewritten in place; they change places only
// while nobody points at them.

import { change, count } from '../shared/format.js';

export class Types {
  #table = document.getElementById('types');
  #body = this.#table.querySelector('tbody');
  #nothing = document.getElementById('types-nothing');
  #rows = new Map();

  draw(byType) {
    for (const row of this.#body.querySelectorAll('.loading')) row.remove();
    this.#nothing.hidden = byType.length > 0;
    this.#table.hidden = byType.length === 0;
    const most = Math.max(1, ...byType.map((type) => type.count));
    const wanted = byType.map((type) => this.#row(type, most));
    const names = new Set(byType.map((type) => type.name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
    }
    const shown = [...this.#body.children];
    const moved = wanted.some((element, index) => shown[index] !== element);
    if (moved && (shown.length !== wanted.length || !this.#body.matches(':hover'))) this.#body.replaceChildren(...wanted);
  }

  #row({ name, count: events, before }, most) {
    let row = this.#rows.get(name);
    if (!row) {
      row = this.#build(name);
      this.#rows.set(name, row);
    }
    row.bar.style.width = `${(100 * events) / most}%`;
    if (row.count.textContent !== count(events)) row.count.textContent = count(events);
    const difference = change(events, before);
    if (row.change.textContent !== difference.text) row.change.textContent = difference.text;
    row.change.title = `${count(before)} by this time yesterday`;
    return row.element;
  }

  #build(name) {
    const element = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    head.title = name;
    const barCell = document.createElement('td');
    barCell.className = 'bar';
    barCell.setAttribute('aria-hidden', 'true');
    const bar = document.createElement('i');
    barCell.append(bar);
    const [number, difference] = ['n', 'n change'].map((className) => {
      const cell = document.createElement('td');
      cell.className = className;
      return cell;
    });
    element.append(head, barCell, number, difference);
    return { element, bar, count: number, change: difference };
  }
}

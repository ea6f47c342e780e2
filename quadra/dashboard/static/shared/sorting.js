// Sorting the rows of a table: what a cell is worth (its number, its length of time, or its text), and headings that sort.

import { el } from './elements.js';

const UNITS = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86_400 };
const NONE = ['', '—'];
const TIMES = /^(?:[\d.,]+ (?:ms|s|min|h|d)(?: (?:ago)?|$))+$/;
const NUMBER = /^[<×$€£]?\s*([+−-]?)[$€£]?\s*([\d,]*\.?\d+)(?:\s?(?:%|points?))?$/;

/** null where nothing is known: it comes last. */
export function worth(cell) {
  if (cell === null || cell === undefined) return null;
  if (typeof cell === 'object') {
    if (cell.sort !== undefined) return cell.sort;
    if (cell.make) return typeof cell.facts === 'string' || typeof cell.facts === 'number' ? cell.facts : undefined;
    return cell.bar ?? worth(cell.text);
  }
  const text = String(cell);
  if (NONE.includes(text)) return null;
  if (TIMES.test(text)) return [...text.matchAll(/([\d.,]+) (ms|s|min|h|d)/g)].reduce((all, [, number, unit]) => all + Number(number.replaceAll(',', '')) * UNITS[unit], 0);
  const [, sign, digits] = NUMBER.exec(text) ?? [];
  return digits ? Number(digits.replaceAll(',', '')) * (sign === '' || sign === '+' ? 1 : -1) : text;
}

/** Whether rows can be sorted by the column: by something that the page can see. */
export const sortable = (rows, place) => rows.length > 1 && rows.every((cells) => worth(cells[place]) !== undefined);

/** `rows` by the column, in their own order where two are worth the same. */
export function sorted(rows, place, down) {
  const way = down ? -1 : 1;
  const worths = new Map(rows.map((cells) => [cells, worth(cells[place])]));
  return rows.toSorted((a, b) => {
    const [one, other] = [worths.get(a), worths.get(b)];
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === 'number' && typeof other === 'number') return way * (one - other);
    return way * String(one).localeCompare(String(other), 'en', { numeric: true });
  });
}

/** What a heading at `place` makes of the order `by`: it sorts, then turns the order round, then gives the first order back. */
export function nextSort(by, place, down) {
  if (by?.place !== place) return { place, down };
  return by.down === down ? { ...by, down: !down } : null;
}

/** `way`: 'up', 'down', or null where rows are not sorted by it. */
export const sortHeading = (title, way, onclick) => el('button', { class: 'sort', type: 'button', onclick },
  title, el('span', { 'aria-hidden': 'true' }, { up: ' ↑', down: ' ↓' }[way] ?? ''));

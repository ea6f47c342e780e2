// What a shared page is about, in words: it has no bar to choose with.

import { el } from '../shared/elements.js';
import { filterWords } from './dimensions.js';
import { day } from './words.js';

export function summary(board) {
  const { first, last } = board.range;
  const filters = board.address.filters.filter((one) => board.takes(one)).map(({ property, op, values }) => filterWords(property, op, values));
  const parts = [board.bar.ranged ? `${day(first)} to ${day(last)}, in the time zone ${board.timezone}` : '', ...filters.map((one) => `only ${one}`)];
  return el('p', { class: 'sub isolated' }, parts.filter(Boolean).join(' · '));
}

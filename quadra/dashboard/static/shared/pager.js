// What stands below a table that shows a page of its rows at a time.

import { el, fill } from './elements.js';
import { count } from './format.js';

export const PAGE = 50;

/** `turn(first)` shows the page that begins there; the button that was pressed keeps the focus where it still turns. */
export function drawPager(place, first, many, turn) {
  place.hidden = many <= PAGE;
  if (place.hidden) return;
  const button = (to, words, label) => el('button', {
    class: 'button', type: 'button', 'aria-label': label, disabled: to < 0 || to >= many,
    onclick: () => {
      turn(to);
      const again = place.querySelector(`[aria-label="${label}"]`);
      (again.disabled ? place.querySelector('button:not(:disabled)') : again).focus();
    },
  }, words);
  fill(place, [first, many], () => [button(first - PAGE, '‹', 'Rows before'), el('span', {}, `${count(first + 1)} to ${count(Math.min(many, first + PAGE))} of ${count(many)}`), button(first + PAGE, '›', 'Rows after')]);
}

// Whose events count: everybody's, or those of the people of a segment.

import { el } from '../shared/elements.js';
import { Refused, ask } from '../shared/rest.js';

const MOST = 200;

export function segments(board) {
  const select = el('select', { class: 'pill', 'aria-label': 'People', autocomplete: 'off', hidden: true });
  let known = [];

  function draw() {
    const chosen = board.address.get('segment');
    const gone = chosen && !known.some(({ id }) => id === chosen);
    select.hidden = known.length === 0 && !chosen;
    select.replaceChildren(el('option', { value: '' }, 'Everybody'), ...known.map(({ id, name }) => el('option', { value: id }, name)), ...(gone ? [el('option', { value: chosen }, 'Another segment')] : []));
    select.value = chosen;
  }

  async function look() {
    try {
      known = (await ask('/api/segments', { project: board.project, limit: MOST })).segments;
      draw();
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // everybody's events are shown, and the page's questions say what is wrong
    }
  }

  select.addEventListener('change', () => board.address.change({ segment: select.value }));
  look();
  return { element: select, draw };
}

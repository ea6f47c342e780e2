// Where all events lie before the chosen time, as after an import of old logs, the page says so and offers to go there.

import { el, fill } from '../shared/elements.js';
import { Refused, ask } from '../shared/rest.js';
import { moved, wallClock } from './range.js';
import { day } from './words.js';

const DAYS = 30;

/** {element, look}: looked for where a page shows nothing, once. */
export function elsewhere(board) {
  const place = el('div', { class: 'notice elsewhere', role: 'status', hidden: true });
  let latest = null;
  let looked = false;

  function draw() {
    const { first } = board.range;
    place.hidden = latest === null || latest >= first;
    if (place.hidden) return;
    const year = latest.slice(0, 4);
    fill(place, latest, () => [
      el('p', {}, `No events in this period. The latest event of this project is from ${day(latest)} ${year}.`),
      el('button', { class: 'button accent', type: 'button', onclick: () => board.address.change({ range: null, days: null, from: moved(latest, 1 - DAYS), to: latest }) }, `Show the ${DAYS} days up to then`),
    ]);
  }

  async function look() {
    if (looked) return;
    looked = true;
    try {
      const { events } = await ask('/api/analytics/user/events', { project: board.project, limit: 1, include_bots: 'true' });
      latest = events.length ? wallClock(board.timezone, Date.parse(events[0].timestamp))[0] : null;
      draw();
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // the page's own questions say what is wrong
    }
  }

  board.address.onChange(draw);
  return { element: place, look };
}

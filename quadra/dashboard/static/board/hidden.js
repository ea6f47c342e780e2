// What a page leaves out or learned late, and the way to see it: events by bots, those that filters take away, and those that
// came long after they happened, so that figures which somebody read before have changed.

import { el, fill } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { when } from '../shared/words.js';
import { OF_VISITS } from './dimensions.js';

const RECENT_MS = 7 * 24 * 3_600_000;

/** Filters of visits are of no event. */
const ofEvents = (common) => Object.fromEntries(Object.entries(common).filter(([name]) => !OF_VISITS.has(/^where\[([^\]]*)\]/.exec(name)?.[1])));

/** Lines at the end of the page: above, they would push the page down when they come. Visits say beside their chart what bots did. */
export function hiddenRows(board) {
  const place = el('div', { class: 'sub hidden-rows', hidden: true });
  const countsBots = () => board.bar.visits || board.address.get('bots') === 'yes';
  const question = board.ask('hidden', (common) => ({ lens: '/api/analytics/hidden', params: { ...ofEvents(common), segment: null } }), { still: true });
  question.on(({ state, answer }) => {
    const bots = state === 'ready' && !countsBots() ? answer.bots : 0;
    const late = state === 'ready' && answer.late_until && Date.now() - Date.parse(answer.late_until) < RECENT_MS ? answer.late : 0;
    place.hidden = bots + late === 0;
    fill(place, [bots, late, answer?.late_until], () => [
      bots ? el('p', {}, `${events(bots)} by bots left out where people are counted · `,
        el('button', { class: 'link', type: 'button', onclick: () => board.address.change({ bots: 'yes' }) }, 'Count them')) : null,
      late ? el('p', {}, `${events(late)} of this time came more than a day late, the last `, when(answer.late_until), '. Figures read before then were smaller · ',
        el('a', { href: board.href('/numbers') }, 'What came in')) : null,
    ].filter(Boolean));
  });
  return place;
}

const events = (many) => `${count(many)} ${many === 1 ? 'event' : 'events'}`;

/** Where nothing is left: filters and a segment may hide the rest. */
export function withoutFilters(board) {
  const { address, shared, bar } = board;
  if (shared || !bar.filters) return null;
  const filters = address.filters.filter((one) => board.takes(one));
  if (filters.length === 0 && !address.get('segment')) return null;
  const none = { segment: null, ...Object.fromEntries(filters.map(({ name }) => [name, null])) };
  return el('p', {}, filters.length ? 'Filters may hide events here. ' : 'Only the events of a segment are counted. ', el('button', { class: 'link', type: 'button', onclick: () => address.change(none) }, 'Count everything'));
}

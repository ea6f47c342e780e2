// What a page leaves out, and the way to see it: events by bots, and those that filters take away.

import { el, fill } from '../shared/elements.js';
import { count } from '../shared/format.js';

/** A line at the end of the page: above, it would push the page down when it comes. Visits say it beside their chart. */
export function hiddenRows(board) {
  const place = el('p', { class: 'sub hidden-rows', hidden: true });
  const shows = () => board.address.get('bots') === 'yes';
  const bots = board.ask('bots', (common) => (shows() ? null : {
    lens: '/api/analytics/trends', params: { ...common, segment: null, interval: 'whole', include_bots: 'true', 'where[bot]': 'true' },
  }), { still: true });
  bots.on(({ state, answer }) => {
    const hidden = state === 'ready' && !shows() ? answer.series[0]?.points[0]?.value ?? 0 : 0;
    place.hidden = hidden === 0;
    fill(place, hidden, () => [el('span', {}, `${count(hidden)} ${hidden === 1 ? 'event' : 'events'} by bots left out where people are counted`), ' · ',
      el('button', { class: 'link', type: 'button', onclick: () => board.address.change({ bots: 'yes' }) }, 'Count them')]);
  });
  return place;
}

/** Where nothing is left: filters and a segment may hide the rest. */
export function withoutFilters(board) {
  const { address, shared, bar } = board;
  if (shared || !bar.filters) return null;
  const filters = address.filters.filter((one) => board.takes(one));
  if (filters.length === 0 && !address.get('segment')) return null;
  const none = { segment: null, ...Object.fromEntries(filters.map(({ name }) => [name, null])) };
  return el('p', {}, filters.length ? 'Filters may hide events here. ' : 'Only the events of a segment are counted. ', el('button', { class: 'link', type: 'button', onclick: () => address.change(none) }, 'Count everything'));
}

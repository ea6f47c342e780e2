// What somebody did, visit by visit: each opens to its events, the latest is open.

import { el } from '../shared/elements.js';
import { pageOf } from '../shared/page.js';
import { age, span, things } from '../shared/words.js';
import { timeline } from './timeline.js';

const GAP_MS = 30 * 60_000;

/** `events` newest first; those without a session belong together until somebody is gone for half an hour. */
export function sessionsOf(events) {
  const found = [];
  for (const event of events) {
    const last = found.at(-1);
    const of = event.session_id ?? null;
    const apart = last ? Date.parse(last.events.at(-1).timestamp) - Date.parse(event.timestamp) : 0;
    if (last && last.session === of && (of !== null || apart < GAP_MS)) last.events.push(event);
    else found.push({ session: of, events: [event] });
  }
  return found;
}

export const sessions = (events) => el('ol', { class: 'visits' }, ...sessionsOf(events).map((one, place) => el('li', {}, visit(one, place === 0))));

function visit({ events }, open) {
  const [from, to] = [events.at(-1).timestamp, events[0].timestamp];
  const first = events.findLast(({ page_url: url }) => url);
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  const wrong = events.filter(({ kind }) => kind === 'error').length;
  return el('details', { 'data-key': `visit-${events.at(-1).event_id}`, open },
    el('summary', {},
      el('strong', {}, span(from, to)),
      el('span', {}, things(events.length, 'event')),
      seconds >= 1 ? el('span', { class: 'sub' }, age(seconds)) : null,
      first ? el('span', { class: 'sub' }, `from ${pageOf(first.page_url)}`) : null,
      wrong ? el('span', { class: 'wrong' }, things(wrong, 'error')) : null),
    ...timeline(events));
}

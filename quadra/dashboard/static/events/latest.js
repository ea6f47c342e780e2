// The latest events that fit, one by one.

import { number } from '../board/words.js';
import { timeline } from '../user/timeline.js';

const LIMIT = '50';

export function latest(board) {
  const { address } = board;
  const events = board.ask('latest', (common) => ({
    lens: 'user/events', params: { ...common, limit: LIMIT, ...(address.get('event') ? { event_name: address.get('event') } : {}) },
  }));
  return board.panel({
    of: events,
    title: 'Latest events',
    sub: ({ count }) => `The latest ${number(count)} matching events, by time of occurrence`,
    scrolls: true,
    isEmpty: ({ count }) => count === 0,
    empty: () => 'No matching events in this period.',
    body: ({ events: found }) => timeline(found, { people: true, link: board.shared ? null : (user) => board.person(user) }),
  });
}

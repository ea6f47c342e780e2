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
    title: 'What came in last?',
    sub: ({ count }) => `The latest ${number(count)} events that fit, newest first, at the time they occurred`,
    scrolls: true,
    isEmpty: ({ count }) => count === 0,
    empty: () => 'No event in this time is like that.',
    body: ({ events: found }) => timeline(found, { people: true, link: board.shared ? null : (user) => board.href('/user', { user }) }),
  });
}

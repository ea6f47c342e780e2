// Sessions in numbers, and the pages at which they begin and end.

import { grid } from '../board/board.js';
import { keyNumbers } from '../board/numbers.js';
import { rankedTable } from '../board/rows.js';
import { number, percent, seconds } from '../board/words.js';

const PAGES = '15';

export function visits(board) {
  const sessions = board.ask('sessions', (common) => ({ lens: 'sessions', params: { ...common, interval: 'whole', limit: PAGES } }), { compare: true });
  const counted = (pages) => pages.map(({ page, count }) => [page, count]);
  const pages = (title, sub, name) => board.panel({
    of: sessions,
    title,
    sub,
    isEmpty: (answer) => answer[name].length === 0,
    empty: () => 'No page views in this period.',
    table: (answer, before) => rankedTable('Page', 'Sessions', counted(answer[name]), before && new Map(counted(before[name]))),
  });
  const numbers = keyNumbers(sessions, 'Sessions in numbers', [
    { title: 'Sessions', value: ({ count }) => count, write: number, good: 'up' },
    { title: 'Mean length', value: (answer) => answer.average_seconds, write: seconds },
    { title: 'Median length', value: (answer) => answer.median_seconds, write: seconds },
    { title: 'Events per session', value: (answer) => answer.events_per_session, write: number },
    { title: 'Bounced', value: ({ count, bounce_rate: rate }) => (count ? rate : null), write: percent, good: 'down', points: true },
  ]);
  return { numbers, pages: grid(pages('Entry pages', 'The first page of a session', 'entries'), pages('Exit pages', 'The last page of a session', 'exits')) };
}

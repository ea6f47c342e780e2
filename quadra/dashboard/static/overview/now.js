// The last minutes as they are, whatever range is chosen.

import { grid } from '../board/board.js';
import { rankedTable } from '../board/rows.js';
import { number } from '../board/words.js';
import { perSecond } from '../shared/format.js';

const WINDOWS = [['last_1_minute', 'Last minute'], ['last_5_minutes', 'Last 5 minutes'], ['last_30_minutes', 'Last 30 minutes']];
const PAGES = 8;

export function rightNow(board) {
  const now = board.ask('now', ({ days, from, to, timezone, ...common }) => ({ lens: 'realtime/stats', params: common }));
  const minutes = board.panel({
    of: now,
    title: 'What is happening right now?',
    sub: 'Live; ignores the date range',
    table: (answer) => ({
      columns: [{ title: 'Time' }, { title: 'Events', n: true }, { title: 'Per second', n: true }, { title: 'People', n: true }, { title: 'Sessions', n: true }, { title: 'Errors', n: true }],
      rows: WINDOWS.map(([name, word]) => [word, number(answer[name].events), perSecond(answer[name].events_per_second), number(answer[name].users), number(answer[name].sessions), number(answer[name].errors)]),
    }),
  });
  const pages = board.panel({
    of: now,
    title: 'Which pages are being viewed?',
    sub: 'Page views in the last 30 minutes',
    isEmpty: ({ last_30_minutes: { by_page: found } }) => Object.keys(found).length === 0,
    empty: () => 'No page views in the last 30 minutes.',
    table: ({ last_30_minutes: { by_page: found } }) => rankedTable('Page', 'Views', Object.entries(found).slice(0, PAGES)),
  });
  return [grid(minutes, pages)];
}

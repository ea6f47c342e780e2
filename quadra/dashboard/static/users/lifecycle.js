// Where the active people of each period come from, and how many went: new, returning, resurrecting; dormant below the line.

import { bars } from '../board/options.js';
import { along, periodTable } from '../board/rows.js';

const STATES = [['new', 'New', 'accent'], ['returning', 'Returning', 'good'], ['resurrecting', 'Resurrected', 'warn'], ['dormant', 'Lost', 'bad']];

export function lifecyclePanel(board) {
  const lifecycle = board.ask('lifecycle', (common) => ({ lens: 'lifecycle', params: { ...common, interval: board.interval } }));
  const series = ({ periods }) => STATES.map(([state, name, colour]) => ({ name, colour, values: periods.map((one) => one[state]) }));
  const ats = ({ periods }) => periods.map(({ at }) => at);
  return board.panel({
    of: lifecycle,
    title: 'Is the user base growing?',
    sub: 'New, returning, resurrected; below the line, lost',
    isEmpty: ({ periods }) => periods.every((one) => STATES.every(([state]) => one[state] === 0)),
    empty: () => 'No active users in this period.',
    chart: (answer) => bars({ ...along(board, ats(answer)), series: series(answer), stack: true }),
    table: (answer) => periodTable(board, ats(answer), series(answer)),
  });
}

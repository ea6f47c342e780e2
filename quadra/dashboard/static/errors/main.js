// What goes wrong: how often, for how many people, since when, and where in the code.

import { openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { lines } from '../board/options.js';
import { along, begun, periodTable } from '../board/rows.js';
import { number } from '../board/words.js';
import { groups } from './groups.js';

const board = openBoard({ interval: true, kind: 'error' });
const errors = board.ask('errors', (common) => ({ lens: 'errors', params: { ...common, interval: board.interval } }), { compare: true });

const numbers = keyNumbers(errors, 'Errors in numbers', [
  { title: 'Errors', value: ({ totals }) => totals.total, write: number, good: 'down', spark: ({ by_day: days }) => begun(days).map(({ count }) => count) },
  { title: 'Different ones', value: ({ totals }) => totals.groups, write: number, good: 'down' },
  { title: 'Unresolved', value: ({ totals }) => totals.unresolved, write: number, good: 'down' },
]);

const isEmpty = ({ totals }) => totals.total === 0;
const ats = ({ by_day: days }) => days.map(({ at }) => at);
const drawn = ({ by_day: days }, before) => [
  { name: 'Errors', values: days.map(({ count }) => count) },
  { name: 'People', values: days.map(({ users }) => users) },
  ...(before ? [{ name: 'Errors before', values: before.by_day.map(({ count }) => count), faint: true }] : []),
];

const over = board.panel({
  of: errors,
  title: 'Are errors going down?',
  sub: 'Errors and affected users',
  isEmpty,
  empty: firstEvent(board, 'No errors in this period.', { kind: 'error', errorType: 'TypeError', message: 'x is undefined', severity: 'error', endpoint: '/checkout', userId: 'me', stackTrace: 'at pay (checkout.js:41)' }),
  chart: (answer, before) => lines({ ...along(board, ats(answer)), series: drawn(answer, before), area: false }),
  table: (answer, before) => periodTable(board, ats(answer), drawn(answer, before)),
});

board.start(numbers, over, groups(board, errors));

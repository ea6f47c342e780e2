// How quick and how sound the interface is: times, failures, the slowest endpoints, and when people come.

import { grid, openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { bars, lines } from '../board/options.js';
import { along, begun, periodTable } from '../board/rows.js';
import { milliseconds, named, number, percent } from '../board/words.js';

const board = openBoard({ interval: true, kind: 'request' });
const asked = board.ask('performance', (common) => ({ lens: 'performance', params: { ...common, interval: board.interval } }), { compare: true });

const total = (name) => ({ totals }) => totals[name];
const numbers = keyNumbers(asked, 'Requests in numbers', [
  { title: 'Requests', value: total('requests'), write: number, spark: ({ by_day: days }) => begun(days).map(({ requests }) => requests) },
  { title: 'p50', value: total('p50_ms'), write: milliseconds, good: 'down' },
  { title: 'p95', value: total('p95_ms'), write: milliseconds, good: 'down', spark: ({ by_day: days }) => begun(days).map((day) => day.p95_ms ?? 0) },
  { title: 'p99', value: total('p99_ms'), write: milliseconds, good: 'down' },
  { title: 'Failed', value: ({ totals }) => (totals.requests ? totals.error_rate : null), write: percent, good: 'down', points: true, aside: ({ totals }) => `${number(totals.errors_4xx)} 4xx, ${number(totals.errors_5xx)} 5xx` },
]);

const isEmpty = ({ totals }) => totals.requests === 0;
const empty = firstEvent(board, 'No requests in this period.', { kind: 'request', endpoint: '/api/cart', method: 'GET', statusCode: 200, responseTimeMs: 42 });
const nothing = () => 'No requests in this period.';
const untimed = ({ totals }) => totals.p50_ms === null;
const noTimes = () => 'No request in this period has a response time. Send responseTimeMs.';
const ats = ({ by_day: days }) => days.map(({ at }) => at);

function over(title, sub, names, write, more, say, none = isEmpty) {
  const drawn = ({ by_day: days }) => names.map(([name, word]) => ({ name: word, values: days.map((day) => day[name]) }));
  return board.panel({
    of: asked,
    title,
    sub,
    isEmpty: none,
    empty: say,
    chart: (answer) => lines({ ...along(board, ats(answer)), series: drawn(answer), format: write, ...more }),
    table: (answer) => periodTable(board, ats(answer), drawn(answer), write),
  });
}

const times = over('How fast are responses?', '50th, 95th and 99th percentile', [['p50_ms', 'p50'], ['p95_ms', 'p95'], ['p99_ms', 'p99']], milliseconds, { axis: milliseconds, area: false, unit: 'part' }, noTimes, untimed);
const failures = over('How many requests fail?', 'Share of failed requests', [['error_rate', 'Failed']], percent, { axis: (value) => `${value} %`, unit: 'part' }, empty);

const hours = board.panel({
  of: asked,
  title: 'When is traffic highest?',
  sub: ({ peak }) => (peak ? `Requests by hour of day, all days combined; peak at ${peak.hour}:00, ${board.timezone}` : ''),
  isEmpty,
  empty: nothing,
  chart: ({ by_hour: by }) => bars({ labels: by.map(({ hour }) => `${hour}`), series: [{ name: 'Requests', values: by.map(({ requests }) => requests) }] }),
  table: ({ by_hour: by }) => ({
    columns: [{ title: 'Hour' }, { title: 'Requests', n: true }, { title: 'p95', n: true }, { title: 'Failed', n: true }],
    rows: by.map(({ hour, requests, p95_ms: p95, error_rate: rate }) => [`${hour}:00`, number(requests), milliseconds(p95), requests ? percent(rate) : '—']),
  }),
});

const columns = [{ title: 'Endpoint' }, { title: 'Method' }, { title: 'Requests', n: true }, { title: 'Mean', n: true }, { title: 'p50', n: true }, { title: 'p95', n: true }, { title: 'p99', n: true }, { title: 'Failed', n: true }, { title: '4xx', n: true }, { title: '5xx', n: true }];
const row = (one) => [named(one.endpoint), one.method ?? '', number(one.requests), milliseconds(one.avg_ms), milliseconds(one.p50_ms), milliseconds(one.p95_ms), milliseconds(one.p99_ms),
  { text: percent(one.error_rate), tone: one.error_rate >= 5 ? 'wrong' : null }, number(one.errors_4xx), number(one.errors_5xx)];

const slowest = board.panel({
  of: asked,
  title: 'Slowest endpoints',
  sub: 'Endpoints by p95',
  isEmpty: untimed,
  empty: noTimes,
  chart: ({ slowest: found }) => bars({ labels: found.map((one) => `${one.method ?? ''} ${named(one.endpoint)}`.trim()), series: [{ name: 'p95', values: found.map((one) => one.p95_ms) }], flat: true, format: milliseconds, axis: milliseconds, unit: 'part' }),
  table: ({ slowest: found }) => ({ columns, rows: found.map(row) }),
});

const endpoints = board.panel({
  of: asked,
  title: 'All endpoints',
  sub: 'Most requested first',
  isEmpty,
  empty: nothing,
  table: ({ endpoints: found }) => ({ columns, rows: found.map(row) }),
});

board.start(numbers, grid(times, failures), grid(hours, slowest), endpoints);

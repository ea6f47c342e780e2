// Numbers: what came in, by source and period, so that figures can be reconciled with other ones: what was stored, what came
// again, what was refused and why, what bots did, what came late.

import { openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { bars } from '../board/options.js';
import { PERIODS, along, periodName, periodTable, rankedTable } from '../board/rows.js';
import { number } from '../board/words.js';

const SOURCES = {
  http: 'HTTP', socket: 'Socket.IO', segment: 'Segment API', posthog: 'PostHog API', import: 'Imported', demo: 'Demo', quadra: 'Quadra itself', '(unknown)': 'Stored before sources were kept',
};
const MEASURES = [['accepted', 'Stored'], ['page_views', 'Page views'], ['visitors', 'Visitors'], ['bots', 'By bots'], ['late', 'Late'], ['duplicates', 'Duplicates'], ['refused', 'Refused']];
const sourceName = (source) => SOURCES[source] ?? source;

const board = openBoard({ interval: true, bots: false });
const came = board.ask('numbers', (common) => ({ lens: 'numbers', params: { ...common, include_bots: 'true', interval: board.interval } }), { compare: true });

const sum = (sources, name) => sources.reduce((all, one) => all + one[name], 0);
const total = (name) => ({ totals }) => sum(totals, name);
const isEmpty = ({ totals }) => sum(totals, 'accepted') + sum(totals, 'duplicates') + sum(totals, 'refused') === 0;
const ats = ({ periods }) => periods.map(({ at }) => at);
const ofPeriods = (answer, name) => answer.periods.map(({ sources }) => sum(sources, name));

const numbers = keyNumbers(came, 'What came in', [
  { title: 'Stored', value: total('accepted'), write: number },
  { title: 'By bots', value: total('bots'), write: number, aside: () => 'stored, too' },
  { title: 'Late', value: total('late'), write: number, good: 'down', aside: () => 'over a day' },
  { title: 'Duplicates', value: total('duplicates'), write: number },
  { title: 'Refused', value: total('refused'), write: number, good: 'down' },
]);

const drawn = (answer) => [
  { name: 'Stored', values: ofPeriods(answer, 'accepted') }, { name: 'Duplicates', values: ofPeriods(answer, 'duplicates') }, { name: 'Refused', values: ofPeriods(answer, 'refused'), colour: 'bad' },
];

const over = board.panel({
  of: came,
  title: 'What came in, and what became of it?',
  sub: () => `By ${board.interval}, ${board.timezone} time. What was stored counts when it happened; duplicates and refused events count when they came`,
  isEmpty,
  empty: firstEvent(board, 'Nothing came in during this period.', { eventType: 'hello', userId: 'me' }),
  chart: (answer) => bars({ ...along(board, ats(answer)), series: drawn(answer), stack: true }),
  table: (answer) => periodTable(board, ats(answer), MEASURES.filter(([name]) => name !== 'visitors').map(([name, title]) => ({ name: title, values: ofPeriods(answer, name) }))),
});

const sources = board.panel({
  of: came,
  title: 'Which source sent how much?',
  sub: 'Page views and visitors are of people, as on Visits. An imported access log stands beside what the tracker sent on the same days',
  isEmpty,
  empty: () => 'Nothing came in during this period.',
  table: ({ totals }) => ({
    columns: [{ title: 'Source' }, ...MEASURES.map(([name, title]) => ({ title, n: true, spare: !['accepted', 'visitors', 'refused'].includes(name) }))],
    rows: totals.map((one) => [sourceName(one.source), ...MEASURES.map(([name]) => number(one[name]))]),
  }),
});

const reasons = ({ totals }) => {
  const found = new Map();
  for (const { refused_for: refused } of totals) for (const { reason, count } of refused) found.set(reason, (found.get(reason) ?? 0) + count);
  return [...found].sort((a, b) => b[1] - a[1]);
};

const refused = board.panel({
  of: came,
  title: 'Why were events refused?',
  sub: 'The code that the sender got as the answer. Filters do not choose among refused events',
  isEmpty: (answer) => reasons(answer).length === 0,
  empty: () => 'No event was refused in this period.',
  table: (answer, before) => rankedTable('Reason', 'Events', reasons(answer), before && new Map(reasons(before))),
});

const byDay = board.panel({
  of: came,
  title: 'Day by day, which source?',
  sub: () => `Each source by ${board.interval}, the newest first`,
  isEmpty,
  empty: () => 'Nothing came in during this period.',
  table: ({ periods }) => ({
    columns: [{ title: PERIODS[board.interval], ordered: 'down' }, { title: 'Source' }, ...MEASURES.map(([name, title]) => ({ title, n: true, spare: !['accepted', 'refused'].includes(name) }))],
    rows: periods.toReversed().flatMap(({ at, sources: found }) => found.map((one) => [periodName(board, at), sourceName(one.source), ...MEASURES.map(([name]) => number(one[name]))])),
  }),
});

board.start(numbers, over, sources, refused, byDay);

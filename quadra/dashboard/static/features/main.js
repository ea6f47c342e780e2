// Which features are used, by how many people, how well that goes, and how it changes.

import { grid, openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { bars, lines } from '../board/options.js';
import { along, periodTable } from '../board/rows.js';
import { named, number, percent, seconds } from '../board/words.js';
import { change } from '../shared/format.js';

const SHOWN = 12;
const LINES = 6;
const board = openBoard({ interval: true, kind: 'feature' });
const stats = board.ask('features', (common) => ({ lens: 'user/features/stats', params: common }), { compare: true });
const uses = board.ask('uses', (common) => ({
  lens: 'trends',
  params: { ...common, interval: board.interval, 'where[kind]': 'feature', breakdown: 'feature_name', breakdown_limit: String(LINES), include_bots: 'false' },
}));

const sum = (features, name) => features.reduce((total, feature) => total + feature[name], 0);
const numbers = keyNumbers(stats, 'Features in numbers', [
  { title: 'Features used', value: ({ features }) => features.length, write: number, good: 'up' },
  { title: 'Uses', value: ({ features }) => sum(features, 'total_uses'), write: number, good: 'up' },
  { title: 'Successful', value: ({ features }) => (features.length ? (sum(features, 'successful_uses') / sum(features, 'total_uses')) * 100 : null), write: percent, good: 'up', points: true },
]);

const isEmpty = ({ features }) => features.length === 0;
const empty = firstEvent(board, 'No feature uses in this period.', { userId: 'me', featureName: 'export', action: 'used', durationSeconds: 2.5 }, '/api/analytics/user/features/track');
const top = ({ features }) => features.slice(0, SHOWN);

const most = board.panel({
  of: stats,
  title: 'Which features are used the most?',
  sub: ({ features }) => (features.length > SHOWN ? `Top ${SHOWN} of ${features.length}` : 'Uses and users'),
  isEmpty,
  empty,
  chart: (answer) => bars({
    labels: top(answer).map(({ feature_name: name }) => named(name)), flat: true,
    series: [{ name: 'Uses', values: top(answer).map(({ total_uses: count }) => count) }, { name: 'People', values: top(answer).map(({ unique_users: people }) => people) }],
  }),
  table: (answer) => ({
    columns: [{ title: 'Feature' }, { title: 'Uses', n: true }, { title: 'People', n: true }],
    rows: top(answer).map((one) => [named(one.feature_name), number(one.total_uses), number(one.unique_users)]),
  }),
});

const points = ({ series }) => (series[0]?.points ?? []).map(({ at }) => at);
const drawn = ({ series }) => series.map(({ label, points: found }) => ({ name: named(label), values: found.map(({ value }) => value) }));
const over = board.panel({
  of: uses,
  title: 'Is usage growing?',
  sub: `Uses over time. Top ${LINES}; the rest combined`,
  isEmpty: ({ series }) => series.every(({ points: found }) => found.every(({ value }) => value === 0)),
  empty: () => 'No feature uses in this period.',
  chart: (answer) => lines({ ...along(board, points(answer)), series: drawn(answer), area: false }),
  table: (answer) => periodTable(board, points(answer), drawn(answer)),
});

const all = board.panel({
  of: stats,
  title: 'How well do features work?',
  sub: 'Uses without an outcome or error count as successful',
  isEmpty,
  empty: () => 'No feature uses in this period.',
  table({ features }, before) {
    const was = new Map((before?.features ?? []).map((one) => [one.feature_name, one.total_uses]));
    return {
      columns: [{ title: 'Feature' }, { title: 'Category', spare: true }, { title: 'Uses', n: true }, ...(before ? [{ title: 'Change', n: true }] : []), { title: 'People', n: true, spare: true },
        { title: 'Successful', n: true }, { title: 'Mean time', n: true, spare: true }, { title: 'Opened', n: true, spare: true }, { title: 'Used', n: true, spare: true }, { title: 'Completed', n: true, spare: true }],
      rows: features.map((one) => [named(one.feature_name), one.feature_category ?? '', number(one.total_uses), ...(before ? [change(one.total_uses, was.get(one.feature_name) ?? 0).text] : []), number(one.unique_users),
        { text: percent(one.success_rate), tone: one.success_rate < 90 ? 'wrong' : null }, seconds(one.avg_duration_seconds), number(one.by_action.opened), number(one.by_action.used), number(one.by_action.completed)]),
    };
  },
});

board.start(numbers, grid(most, over), all);

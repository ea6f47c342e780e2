// One page of everything: the key numbers with the previous period beside them, what people do, which features, what was noticed, whether
// Quadra is well. One question answers most of it.

import { firstEvent } from '../board/empty.js';
import { grid, openBoard } from '../board/board.js';
import { keyNumbers } from '../board/numbers.js';
import { lines } from '../board/options.js';
import { along, begun, periodTable, rankedTable } from '../board/rows.js';
import { dollars, milliseconds, number, percent, seconds } from '../board/words.js';
import { noticed, well } from './engine.js';
import { rightNow } from './now.js';

const board = openBoard({ interval: true });
const NUMBERS = ['users', 'sessions', 'events', 'api', 'ai', 'errors'];

/** The same of the time that it is compared with. */
function earlier(answer) {
  if (answer.events.previous === null) return null;
  return {
    ...Object.fromEntries(NUMBERS.map((name) => [name, answer[name].previous])),
    series: answer.series.map(({ previous }) => previous).filter(({ at }) => at !== null),
    top_features: answer.top_features.map(({ feature_name, previous }) => ({ feature_name, ...previous })),
  };
}

const overview = board.ask('overview', (common) => ({ lens: 'dashboard', params: { ...common, interval: board.interval, ...board.beside } }), { earlier });

const spark = (name) => ({ series }) => begun(series).map((point) => point[name]);
const numbers = keyNumbers(overview, 'Key numbers', [
  { title: 'Events', value: ({ events }) => events.total, write: number, good: 'up', spark: spark('events') },
  { title: 'Active users', value: ({ users }) => users.active, write: number, good: 'up', spark: spark('users') },
  { title: 'New users', value: ({ users }) => users.new, write: number, good: 'up' },
  { title: 'Sessions', value: ({ sessions }) => sessions.count, write: number, good: 'up', aside: ({ sessions }) => `${seconds(sessions.avg_duration_seconds)} each` },
  { title: 'API p95', value: ({ api }) => api.p95_ms, write: milliseconds, good: 'down' },
  { title: 'Failed requests', value: ({ api }) => (api.requests ? api.error_rate : null), write: percent, good: 'down', points: true },
  { title: 'Errors', value: ({ errors }) => errors.total, write: number, good: 'down', spark: spark('errors'), aside: ({ errors }) => (errors.unresolved ? `${number(errors.unresolved)} unresolved` : '') },
  { title: 'AI cost', value: ({ ai }) => ai.cost_usd, write: dollars, aside: ({ ai }) => `${number(ai.queries)} calls` },
]);

/** One measure of the series, beside the time before. */
function seriesPanel(title, name, word, empty = () => 'No events in this period.') {
  const drawn = (answer, before) => [
    { name: word, values: answer.series.map((point) => point[name]) },
    ...(before ? [{ name: 'Before', values: before.series.map((point) => point[name]), faint: true }] : []),
  ];
  return board.panel({
    of: overview,
    title,
    sub: () => board.dashed,
    isEmpty: ({ events }) => events.total === 0,
    empty,
    chart: (answer, before) => lines({ ...along(board, answer.series.map(({ at }) => at)), series: drawn(answer, before), area: true }),
    table: (answer, before) => periodTable(board, answer.series.map(({ at }) => at), drawn(answer, before)),
  });
}

const doing = board.panel({
  of: overview,
  title: 'What are people doing?',
  sub: 'Events by type',
  isEmpty: ({ events }) => events.total === 0,
  empty: () => 'No events in this period.',
  table: ({ events }, before) => rankedTable('Type', 'Events', Object.entries(events.by_type).slice(0, 12), before && new Map(Object.entries(before.events.by_type)), {
    href: (type) => (board.shared || type === 'Other' ? null : board.href('/events', { 'where[event_type]': type })),
  }),
});

const features = board.panel({
  of: overview,
  title: 'Which features are used?',
  sub: 'Recorded uses, most used first',
  isEmpty: ({ top_features: top }) => top.length === 0,
  empty: firstEvent(board, 'No feature uses in this period.', { userId: 'me', featureName: 'export', action: 'used' }, '/api/analytics/user/features/track'),
  table: ({ top_features: top }, before) => {
    const was = before && new Map(before.top_features.map((one) => [one.feature_name, one.total_uses]));
    return rankedTable('Feature', 'Uses', top.map((one) => [one.feature_name, one.total_uses]), was);
  },
});

board.start(
  numbers,
  seriesPanel('How many events arrive?', 'events', 'Events', firstEvent(board, 'No events in this period.', { eventType: 'hello', userId: 'me' })),
  grid(seriesPanel('How many people are active?', 'users', 'Active users'), seriesPanel('How many errors are there?', 'errors', 'Errors')),
  grid(doing, features),
  ...rightNow(board),
  ...(board.shared ? [] : [noticed(board, overview)]),
  ...well(board),
);

// What calls of language models cost, how long they take, how often they fail, and who makes them.

import { grid, openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { bars, lines } from '../board/options.js';
import { along, begun, periodTable } from '../board/rows.js';
import { dollars, milliseconds, named, number, percent } from '../board/words.js';

const board = openBoard({ interval: true, kind: 'ai' });
const ai = board.ask('ai', (common) => ({ lens: 'ai', params: { ...common, interval: board.interval } }), { compare: true });

const mean = (models, name) => {
  const known = models.filter((model) => model[name] !== null);
  const calls = known.reduce((sum, model) => sum + model.queries, 0);
  return calls ? known.reduce((sum, model) => sum + model[name] * model.queries, 0) / calls : null;
};

const numbers = keyNumbers(ai, 'AI usage in numbers', [
  { title: 'Calls', value: ({ totals }) => totals.queries, write: number, spark: ({ by_day: days }) => begun(days).map(({ queries }) => queries) },
  { title: 'Cost', value: ({ totals }) => totals.cost_usd, write: dollars, good: 'down', spark: ({ by_day: days }) => begun(days).map((day) => day.cost_usd) },
  { title: 'Tokens', value: ({ totals }) => totals.total_tokens, write: number, aside: ({ totals }) => `${number(totals.prompt_tokens)} in, ${number(totals.completion_tokens)} out` },
  { title: 'Mean time', value: ({ models }) => mean(models, 'avg_ms'), write: milliseconds, good: 'down' },
  { title: 'Successful', value: ({ models }) => mean(models, 'success_rate'), write: percent, good: 'up', points: true },
]);

const isEmpty = ({ totals }) => totals.queries === 0;
const empty = firstEvent(board, 'No AI calls in this period.', {
  kind: 'ai', userId: 'me', model: 'gpt-4o-mini', provider: 'openai', promptTokens: 420, completionTokens: 96, costUsd: 0.0004, responseTimeMs: 810, success: true,
});
const nothing = () => 'No AI calls in this period.';

function over(title, names, write, axis) {
  const drawn = ({ by_day: days }, before) => names.flatMap(([name, word]) => [
    { name: word, values: days.map((day) => day[name]) },
    ...(before && names.length === 1 ? [{ name: 'Before', values: before.by_day.map((day) => day[name]), faint: true }] : []),
  ]);
  const ats = ({ by_day: days }) => days.map(({ at }) => at);
  return board.panel({
    of: ai,
    title,
    sub: () => (names.length === 1 ? board.dashed : ''),
    isEmpty,
    empty: names[0][0] === 'cost_usd' ? empty : nothing,
    chart: (answer, before) => lines({ ...along(board, ats(answer)), series: drawn(answer, before), format: write, axis, area: names.length === 1, unit: axis ? 'part' : 'whole' }),
    table: (answer, before) => periodTable(board, ats(answer), drawn(answer, before), write),
  });
}

const models = board.panel({
  of: ai,
  title: 'Usage and cost by model',
  sub: 'Response times as reported by senders',
  isEmpty,
  empty: nothing,
  table: ({ models: found }) => ({
    columns: [{ title: 'Model' }, { title: 'Provider', spare: true }, { title: 'Calls', n: true }, { title: 'Tokens in', n: true, spare: true }, { title: 'Tokens out', n: true, spare: true }, { title: 'Cost', n: true }, { title: 'Cost per call', n: true, spare: true }, { title: 'Mean time', n: true, spare: true }, { title: 'p95', n: true, spare: true }, { title: 'Successful', n: true }],
    rows: found.map((one) => [named(one.model), one.provider ?? '', number(one.queries), number(one.prompt_tokens), number(one.completion_tokens), dollars(one.cost_usd), dollars(one.cost_usd / one.queries),
      milliseconds(one.avg_ms), milliseconds(one.p95_ms), { text: percent(one.success_rate), tone: one.success_rate < 90 ? 'wrong' : null }]),
  }),
});

const users = board.panel({
  of: ai,
  title: 'Who costs the most?',
  sub: 'Users by the cost of their calls',
  isEmpty: ({ users: people }) => people.length === 0,
  empty: () => 'No call in this period names a user.',
  table: ({ users: people }) => ({
    columns: [{ title: 'User' }, { title: 'Calls', n: true }, { title: 'Tokens', n: true }, { title: 'Cost', n: true }],
    rows: people.slice(0, 50).map(({ user_id: id, queries, tokens, cost_usd: cost }) => [{ text: named(id), href: board.shared ? null : board.person(id) }, number(queries), number(tokens), dollars(cost)]),
  }),
});

const label = ({ model, provider }) => [named(model), provider].filter(Boolean).join(', ');
const byModel = board.panel({
  of: ai,
  title: 'Where does the AI budget go?',
  sub: 'Cost by model',
  isEmpty: ({ models: found }) => found.every((one) => one.cost_usd === 0),
  empty: () => 'No call in this period has a cost.',
  chart: ({ models: found }) => bars({ labels: found.slice(0, 12).map(label), series: [{ name: 'Cost', values: found.slice(0, 12).map((one) => one.cost_usd) }], flat: true, format: dollars, axis: dollars, unit: 'part' }),
  table: ({ models: found }) => ({ columns: [{ title: 'Model' }, { title: 'Cost', n: true }], rows: found.map((one) => [label(one), dollars(one.cost_usd)]) }),
});

board.start(
  numbers,
  grid(over('How much does AI cost?', [['cost_usd', 'Cost']], dollars, dollars), over('AI calls and failures', [['queries', 'Calls'], ['failed', 'Failed']])),
  models,
  grid(byModel, users),
);

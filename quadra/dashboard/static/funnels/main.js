// Funnels: one that is built here step by step, and those that senders record stage by stage.

import { openBoard } from '../board/board.js';
import { bars } from '../board/options.js';
import { peopleBehind, peopleCell } from '../board/people.js';
import { named, number, percent, seconds } from '../board/words.js';
import { change } from '../shared/format.js';
import { builder } from './builder.js';
import { read } from './definition.js';
import { recorded } from './recorded.js';

const GROUPS = 6;
const board = openBoard({ kind: 'funnel' });

const funnel = board.ask('funnel', (common) => {
  const { steps, ...more } = read(board.address);
  if (steps.length === 0) return null;
  const { params, where } = apart(common);
  return { lens: 'funnels/query', params: { ...params, ...(Object.keys(where).length ? { where } : {}), steps, ...more } };
}, { compare: true });

/** In a body the filters are one object. */
function apart(common) {
  const params = {};
  const where = {};
  for (const [name, value] of Object.entries(common)) {
    const property = /^where\[(.+)\]$/s.exec(name)?.[1];
    if (property) where[property] = value;
    else params[name] = value;
  }
  return { params, where };
}

const groupsOf = ({ breakdown }) => Object.entries(breakdown ?? {}).slice(0, GROUPS);
const labels = ({ steps }) => steps.map(({ name }, at) => `${at + 1}. ${named(name)}`);

const drawn = (answer) => {
  const groups = groupsOf(answer);
  if (groups.length) return groups.map(([name, steps]) => ({ name: named(name), values: steps.map(({ count }) => count) }));
  const counts = answer.steps.map(({ count }) => count);
  return [{ name: 'Got here', values: counts, says: answer.steps.map((step) => (step.conversion_rate >= 8 ? percent(step.conversion_rate) : '')) }, { name: 'Dropped out before', values: counts.map((count, at) => (at ? counts[at - 1] - count : 0)), faint: true }];
};

const COLUMNS = [{ title: 'People', n: true }, { title: 'From the first step', n: true }, { title: 'From the previous step', n: true }, { title: 'Dropped out', n: true }, { title: 'Average time to reach', n: true }, { title: 'Median time', n: true }];
/** Who came to a step, or went no further than to it. */
function who(at, stopped) {
  const { lens, params } = funnel.asked().funnel;
  const step = `${at + 1}. ${named(params.steps[at].event)}`;
  peopleBehind(board, stopped ? `Came to ${step} and no further` : `Came to ${step}`, { lens, params: { ...params, people_of: at, people_stopped: stopped } });
}

const reached = (step, at) => peopleCell(board, number(step.count), step.count, () => who(at, false));
const dropped = (steps, at) => peopleCell(board, number(steps[at - 1].count - steps[at].count), steps[at - 1].count - steps[at].count, () => who(at - 1, true));

/** `all`: these are everybody's steps, not those of a group. */
const cells = (steps, all = false) => steps.map((step, at) => [
  all ? reached(step, at) : number(step.count), percent(step.conversion_rate), at ? percent(step.step_conversion_rate) : '', at ? (all ? dropped(steps, at) : number(steps[at - 1].count - step.count)) : '', at ? seconds(step.average_seconds) : '', at ? seconds(step.median_seconds) : '',
]);

const options = {
  of: funnel,
  idle: 'Choose an event for at least one step.',
  isEmpty: ({ steps }) => steps[0].count === 0,
  empty: () => 'No user entered the funnel in this period.',
};

const chart = board.panel({
  ...options,
  title: 'Where do people drop out?',
  sub: ({ steps }) => `${number(steps.at(-1).count)} of ${number(steps[0].count)} users completed all ${steps.length} steps: ${percent(steps.at(-1).conversion_rate)}`,
  chart: (answer) => bars({ labels: labels(answer), series: drawn(answer), stack: !answer.breakdown, click: board.shared || answer.breakdown ? null : ({ seriesIndex, dataIndex: at }) => (seriesIndex === 0 ? who(at, false) : who(at - 1, true)) }),
  table: (answer, before) => ({
    columns: [{ title: 'Step' }, ...COLUMNS, ...(before ? [{ title: 'Before', n: true }, { title: 'Change', n: true }] : [])],
    rows: cells(answer.steps, true).map((row, at) => [labels(answer)[at], ...row, ...(before ? [number(before.steps[at].count), change(answer.steps[at].count, before.steps[at].count).text] : [])]),
  }),
});

const groups = board.panel({
  ...options,
  title: 'Who converts, by group?',
  sub: () => (board.address.get('breakdown') ? `By ${board.address.get('breakdown')}` : ''),
  table: ({ breakdown = {}, steps: all }) => ({
    columns: [{ title: board.address.get('breakdown') || 'Value' }, { title: 'Step' }, ...COLUMNS],
    rows: Object.entries(breakdown).flatMap(([value, steps]) => cells(steps).map((row, at) => [named(value), `${at + 1}. ${named(all[at].name)}`, ...row])),
  }),
});

funnel.on(({ answer }) => { groups.element.hidden = !answer?.breakdown; });

board.start(...(board.shared ? [] : [builder(board)]), chart, groups, ...recorded(board));

// Explore events: one series or several, counted in the way that is asked for, split by a property, and the latest events.

import { openBoard } from '../board/board.js';
import { choice, controls, field } from '../board/controls.js';
import { firstEvent } from '../board/empty.js';
import { eventNames, properties } from '../board/names.js';
import { banded, lines } from '../board/options.js';
import { along, periodTable, rankedTable } from '../board/rows.js';
import { named, number } from '../board/words.js';
import { latest } from './latest.js';

const MEASURES = [
  ['total', 'Events'], ['unique', 'People'], ['weekly_active', 'Active in 7 days'], ['monthly_active', 'Active in 30 days'],
  ['sum', 'Sum of a property'], ['avg', 'Average of a property'], ['max_per_user', 'Maximum per user'],
];
const SHOWN = 8;

const board = openBoard({ interval: true });
const { address } = board;
const measure = () => address.get('measure', 'total');
const needsProperty = () => ['sum', 'avg'].includes(measure());
const measured = () => MEASURES.find(([value]) => value === measure())?.[1] ?? 'Events';

function trend(common, more) {
  if (needsProperty() && !address.get('property')) return null;
  return {
    lens: 'trends',
    params: {
      ...common,
      aggregate: measure(),
      ...(address.get('event') ? { event: address.get('event') } : {}),
      ...(address.get('property') && (needsProperty() || measure() === 'max_per_user') ? { property: address.get('property') } : {}),
      ...more,
    },
  };
}

const breakdown = () => (address.get('breakdown') ? { breakdown: address.get('breakdown'), breakdown_limit: '25' } : {});
/** The band is of one series as it is, not of a window or of the values of a property. */
const bands = () => address.get('band') === 'yes' && !address.get('breakdown') && !['weekly_active', 'monthly_active'].includes(measure());
const series = board.ask('series', (common) => trend(common, { interval: board.interval, ...breakdown(), ...(bands() ? { band: 'true' } : {}) }), { compare: true });
const values = board.ask('values', (common) => trend(common, { interval: 'whole', breakdown: address.get('breakdown', 'event_name'), breakdown_limit: '25' }), { compare: true });

const name = (label) => (address.get('breakdown') ? named(label) : address.get('event') || measured());

function drawn(answer, before) {
  const found = answer.series.map(({ label, points }) => ({ name: name(label), values: points.map(({ value }) => value) }));
  if (!before || address.get('breakdown')) return found;
  return [...found, { name: 'Before', values: before.series[0].points.map(({ value }) => value), faint: true }];
}

const ats = ({ series: found }) => (found[0]?.points ?? []).map(({ at }) => at);
const isEmpty = ({ series: found }) => found.every(({ points }) => points.every(({ value }) => value === 0));
const idle = 'Choose a numeric property.';

const over = board.panel({
  of: series,
  title: 'Events over time',
  sub: ({ series: found }) => (found.length > SHOWN ? `Top ${SHOWN} of ${found.length} values; the table shows all` : bands() ? 'The band is what the time before expects' : address.get('breakdown') ? '' : board.dashed),
  idle,
  isEmpty,
  empty: firstEvent(board, 'No matching events in this period.', { eventType: 'signup', userId: 'me', properties: { plan: 'pro' } }),
  chart: (answer, before) => (bands() && answer.series[0]?.points[0]?.low !== undefined ? withBand(answer) : lines({ ...along(board, ats(answer)), series: drawn(answer, before).slice(0, SHOWN), area: answer.series.length === 1 })),
  table: (answer, before) => periodTable(board, ats(answer), drawn(answer, before)),
});

function withBand({ series: [{ points }] }) {
  const column = (field) => points.map((point) => point[field]);
  const { labels, ...rest } = along(board, column('at'));
  // what is not over yet is not outside of anything
  const marked = points.map(({ value, low, high }, place) => high !== null && (rest.running === null || place < rest.running) && (value < low || value > high));
  return banded({ labels, ...rest, name: name(''), values: column('value'), low: column('low'), high: column('high'), marked });
}

const which = board.panel({
  of: values,
  title: 'Top events',
  sub: () => `${measured()} by ${address.get('breakdown', 'event_name')}, whole period`,
  idle,
  isEmpty: ({ series: found }) => found.length === 0 || isEmpty({ series: found }),
  table({ series: found }, before) {
    const pairs = found.map(({ label, points }) => [label, points[0]?.value ?? 0]);
    const was = before && new Map(before.series.map(({ label, points }) => [label, points[0]?.value ?? 0]));
    const property = address.get('breakdown', 'event_name');
    return rankedTable(property, measured(), pairs, was, {
      write: number,
      href: (value) => (board.shared || value === 'Other' ? null : board.href('/events', { [`where[${property}]`]: value })),
    });
  },
});

board.start(
  controls(
    field(board, 'event', 'Event', () => eventNames(board), { placeholder: 'any event' }),
    choice(board, 'measure', 'Count', MEASURES),
    field(board, 'property', 'of property', () => properties(board), { placeholder: 'for sum and mean' }),
    field(board, 'breakdown', 'Split by', () => properties(board), { placeholder: 'nothing' }),
    choice(board, 'band', 'Expected', [['', 'not shown'], ['yes', 'as a band']]),
  ),
  over.element,
  which.element,
  latest(board),
);

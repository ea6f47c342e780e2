// Who comes back: people by when they began, and how many of them did something again in the periods after.

import { openBoard } from '../board/board.js';
import { choice, controls, field } from '../board/controls.js';
import { firstEvent } from '../board/empty.js';
import { eventNames } from '../board/names.js';
import { lines } from '../board/options.js';
import { peopleBehind, peopleCell } from '../board/people.js';
import { named, number, percent, period } from '../board/words.js';
import { things } from '../shared/words.js';
import { heat } from './heat.js';

const board = openBoard({ interval: true, compare: false });
const { address } = board;
const given = (name, parameter = name) => (address.get(name) ? { [parameter]: address.get(name) } : {});

const cohorts = board.ask('cohorts', (common) => ({
  lens: 'retention',
  params: {
    ...common, period: board.interval, ...given('first', 'first_event'), ...given('return', 'return_event'), ...given('kind'),
    ...given('times', 'minimum_occurrences'), ...given('until', 'cumulative'),
  },
}));

const UNITS = { hour: 'hour', day: 'day', week: 'week', month: 'month' };
const unit = () => UNITS[board.interval];
const name = (at) => period(at, board.interval, board.timezone);
const isEmpty = ({ cohorts: found }) => found.every(({ size }) => size === 0);
const filled = ({ cohorts: found }) => found.filter(({ size }) => size > 0);
const later = (answer) => Array.from({ length: Math.max(...filled(answer).map(({ returned }) => returned.length)) }, (_, at) => at);
const share = (people, of) => (of ? (people / of) * 100 : 0);

/** Of all people whose period so many later lies in the range: how many came back then. */
function mean(answer, at) {
  const old = filled(answer).filter(({ returned }) => returned.length > at);
  return share(old.reduce((sum, { returned }) => sum + returned[at], 0), old.reduce((sum, { size }) => sum + size, 0));
}

const empty = firstEvent(board, 'No user started in this period.', { eventType: 'signup', userId: 'me' });
const sentence = () => `Of the people whose ${address.get('kind') === 'recurring' ? '' : 'first '}“${named(address.get('first'), 'any event')}” was in a ${unit()}, how many had “${named(address.get('return'), 'any event')}” so many ${unit()}s later, in per cent`;

/** Who is behind a cell; the cohorts that are shown are not all that were counted. */
function who(answer, row, later) {
  const cohort = filled(answer)[row];
  const { lens, params } = cohorts.asked().cohorts;
  peopleBehind(board, `${name(cohort.at)}, ${later ? `seen ${things(later, unit())} later` : 'all'}`, { lens, params: { ...params, people_of: String(answer.cohorts.indexOf(cohort)), people_later: String(later) } });
}

const map = board.panel({
  of: cohorts,
  title: 'Who comes back?',
  sub: sentence,
  isEmpty,
  empty,
  size: 'tall',
  chart: (answer) => heat({
    rows: filled(answer).map(({ at, size }) => `${name(at)} · ${number(size)}`),
    columns: later(answer).slice(1).map((at) => `${at}`),
    cells: filled(answer).flatMap(({ returned, size }, row) => returned.slice(1).map((people, at) => ({ row, column: at, value: share(people, size), says: `${number(people)} of ${number(size)}` }))),
    click: board.shared ? null : (row, column) => who(answer, row, column + 1),
    what: (row, column) => `${row}, ${things(Number(column), unit())} later`,
  }),
  table: (answer) => ({
    columns: [{ title: `First seen in the ${unit()} of` }, { title: 'People', n: true }, ...later(answer).map((at) => ({ title: `+${at}`, n: true }))],
    rows: filled(answer).map(({ at, size, returned }, row) => [name(at), peopleCell(board, number(size), size, () => who(answer, row, 0), at), ...later(answer).map((place) => (place < returned.length
      ? peopleCell(board, percent(share(returned[place], size)), returned[place], () => who(answer, row, place), at, `${number(returned[place])} of ${number(size)}`) : ''))]),
  }),
});

const curve = board.panel({
  of: cohorts,
  title: 'How many users stay?',
  sub: 'Average of all cohorts, weighted by size',
  isEmpty,
  empty: () => 'No user started in this period.',
  chart: (answer) => lines({ labels: later(answer).slice(1).map((at) => `+${at}`), series: [{ name: 'Came back', values: later(answer).slice(1).map((at) => mean(answer, at)) }], format: percent, axis: (value) => `${value} %`, unit: 'part' }),
  table: (answer) => ({ columns: [{ title: `${unit()}s later` }, { title: 'Came back', n: true }], rows: later(answer).map((at) => [`+${at}`, percent(mean(answer, at))]) }),
});

board.start(
  controls(
    field(board, 'first', 'Began with', () => eventNames(board), { placeholder: 'any event' }),
    field(board, 'return', 'Return event', () => eventNames(board), { placeholder: 'any event' }),
    choice(board, 'kind', 'Counted', [['first_time', 'first time only'], ['recurring', 'every time (recurring)']]),
    choice(board, 'until', 'Came back', [['', 'in that period'], ['true', 'in that period or later']]),
    choice(board, 'times', 'At least', [['', 'once'], ['2', 'twice'], ['3', '3 times'], ['5', '5 times']]),
  ),
  map,
  curve,
);

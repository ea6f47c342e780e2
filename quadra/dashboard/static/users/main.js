// How many people there are, whether they stay, and who does the most.

import { grid, openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { bars, lines } from '../board/options.js';
import { along, marksOn, periodTable } from '../board/rows.js';
import { named, number, percent, period, seconds } from '../board/words.js';
import { el } from '../shared/elements.js';
import { when } from '../shared/words.js';
import { lifecyclePanel } from './lifecycle.js';

const board = openBoard({ interval: true });
const users = board.ask('users', (common) => ({ lens: 'users', params: { ...common, limit: '50' } }), { compare: true });
const active = board.ask('active', (common) => ({ lens: 'trends', params: { ...common, aggregate: 'unique', interval: board.interval } }), { compare: true });
const sticky = board.ask('stickiness', (common) => ({ lens: 'stickiness', params: { ...common, interval: board.interval } }));

const nobody = ({ totals }) => totals.active === 0;
const empty = firstEvent(board, 'No active users in this period. An event belongs to a user when it has a userId or an anonymousId.', { eventType: 'hello', userId: 'me' });

const numbers = keyNumbers(users, 'Users in numbers', [
  { title: 'Active', value: ({ totals }) => totals.active, write: number, good: 'up' },
  { title: 'New', value: ({ totals }) => totals.new, write: number, good: 'up' },
  { title: 'Returning', value: ({ totals }) => totals.returning, write: number, good: 'up' },
  { title: 'Last day (DAU)', value: ({ dau }) => dau, write: number, good: 'up' },
  { title: 'Last 7 days (WAU)', value: ({ wau }) => wau, write: number, good: 'up' },
  { title: 'Last 30 days (MAU)', value: ({ mau }) => mau, write: number, good: 'up' },
  { title: 'DAU / MAU', value: ({ stickiness }) => stickiness * 100, write: percent, good: 'up', points: true },
  { title: 'Mean session', value: ({ sessions }) => sessions.average_seconds, write: seconds, aside: ({ sessions }) => `${number(sessions.count)} sessions` },
]);

const points = (answer) => answer.series[0].points;
const drawn = (answer, before) => [
  { name: 'Active users', values: points(answer).map(({ value }) => value) },
  ...(before ? [{ name: 'Before', values: points(before).map(({ value }) => value), faint: true }] : []),
];

const activePanel = board.panel({
  of: active,
  title: 'How many people are active?',
  sub: () => board.dashed,
  isEmpty: (answer) => points(answer).every(({ value }) => value === 0),
  empty,
  chart: (answer, before) => lines({ ...along(board, points(answer).map(({ at }) => at)), series: drawn(answer, before), area: true }),
  table: (answer, before) => periodTable(board, points(answer).map(({ at }) => at), drawn(answer, before)),
});

const stickyPanel = board.panel({
  of: sticky,
  title: 'How often do people come?',
  sub: () => `Users by number of active ${board.interval}s in this period`,
  isEmpty: ({ buckets }) => buckets.every((people) => people === 0),
  empty: () => 'No active users in this period.',
  chart: ({ buckets }) => bars({ labels: buckets.map((_, at) => `${at + 1}`), series: [{ name: 'People', values: buckets }] }),
  table: ({ buckets }) => ({ columns: [{ title: `${board.interval}s` }, { title: 'People', n: true }], rows: buckets.map((people, at) => [`${at + 1}`, number(people)]) }),
});

const back = board.panel({
  of: users,
  title: 'Do new users come back?',
  sub: 'New users with enough history',
  isEmpty: nobody,
  empty: () => 'No active users in this period.',
  table: ({ retention }) => ({
    columns: [{ title: 'On the day' }, { title: 'Of', n: true }, { title: 'Came back', n: true }, { title: 'Share', n: true }],
    rows: retention.map(({ day, people, returned, rate }) => [`${day} ${day === 1 ? 'day' : 'days'} later`, number(people), number(returned), people ? percent(rate) : '—']),
  }),
});

const fresh = board.panel({
  of: users,
  title: 'How many new users?',
  sub: 'By day of first event, all time',
  isEmpty: ({ totals }) => totals.new === 0,
  empty: () => 'No new users in this period.',
  chart: ({ new: { by_day: days } }) => bars({ labels: days.map(({ at }) => period(at, 'day', board.timezone)), series: [{ name: 'New users', values: days.map((day) => day.users) }], marks: marksOn(board, days.map(({ at }) => at)) }),
  table: ({ new: { by_day: days } }) => ({ columns: [{ title: 'Day' }, { title: 'New users', n: true }], rows: days.map(({ at, users: people }) => [period(at, 'date', board.timezone), number(people)]).reverse() }),
});

const time = (iso) => ({ facts: iso, make: () => when(iso) });

const most = board.panel({
  of: users,
  title: 'Most active users',
  sub: 'Users by number of events in this period',
  isEmpty: nobody,
  empty: () => 'No active users in this period.',
  table: ({ users: people }) => ({
    columns: [{ title: 'User' }, { title: 'Share of the largest', hidden: true, bar: true }, { title: 'Events', n: true }, { title: 'First seen' }, { title: 'Last seen' }],
    rows: people.map(({ user_id: id, events, first_seen: first, last_seen: last }) => [
      { text: named(id), href: board.shared ? null : board.person(id) }, { bar: events / people[0].events }, number(events), time(first), time(last),
    ]),
  }),
});

function finder() {
  if (board.shared) return [];
  const input = el('input', { class: 'pill', 'aria-label': 'Id of a user', placeholder: 'Id of a user', required: true, autocomplete: 'off', maxlength: '200' });
  const form = el('form', { class: 'finder', onsubmit: (event) => {
    event.preventDefault();
    location.assign(board.person(input.value.trim()));
  } }, input, el('button', { class: 'button' }, 'Open timeline'));
  return [form];
}

board.start(...finder(), numbers, grid(activePanel, lifecyclePanel(board)), grid(stickyPanel, fresh), grid(most, back));

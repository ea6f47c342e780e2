// One person: what they did, event by event, and, for admins, forgetting them.

import { grid, openBoard } from '../board/board.js';
import { choice, controls } from '../board/controls.js';
import { bars } from '../board/options.js';
import { along, periodTable } from '../board/rows.js';
import { named, number } from '../board/words.js';
import { copyButton } from '../shared/copy.js';
import { el } from '../shared/elements.js';
import { eraser } from './erase.js';
import { profile } from './profile.js';
import { sessions } from './sessions.js';

const LIMIT = '200';
const board = openBoard({ interval: true, compare: false, usual: 90 });
const user = board.address.get('user');
const kind = () => (board.address.get('kind') ? { kind: board.address.get('kind') } : {});

const events = board.ask('events', (common) => (user ? { lens: 'user/events', params: { ...common, ...kind(), user_id: user, limit: LIMIT, include_bots: 'true' } } : null));
const activity = board.ask('activity', (common) => (user ? { lens: 'trends', params: { ...common, 'where[user_id]': user, interval: board.interval, include_bots: 'true' } } : null));

const points = ({ series }) => series[0].points;
const series = (answer) => [{ name: 'Events', values: points(answer).map(({ value }) => value) }];

const when = board.panel({
  of: activity,
  title: 'When was this user active?',
  sub: 'Events with this id',
  idle: 'Choose a user on the Users page.',
  isEmpty: (answer) => points(answer).every(({ value }) => value === 0),
  empty: () => 'No events with this id in this period.',
  size: 'low',
  chart: (answer) => bars({ ...along(board, points(answer).map(({ at }) => at)), series: series(answer) }),
  table: (answer) => periodTable(board, points(answer).map(({ at }) => at), series(answer)),
});

const what = board.panel({
  of: events,
  title: 'What did this user do?',
  sub: ({ count, cursor }) => (cursor ? `The latest ${number(count)} events of all ids of this person` : `${number(count)} events of all ids of this person, visit by visit, newest first`),
  idle: 'Choose a user on the Users page.',
  isEmpty: ({ count }) => count === 0,
  empty: () => 'No events by this person in this period.',
  body: ({ events: found }) => sessions(found),
});

const KINDS = ['page', 'event', 'identify', 'feature', 'funnel', 'journey', 'survey', 'ai', 'error', 'request', 'metric'];
board.start(
  el('div', { class: 'panel who' }, el('h2', {}, named(user, 'Nobody')), user ? copyButton(() => user, { words: 'Copy id' }) : null, board.shared ? null : el('a', { href: board.href('/users') }, 'All users'), board.role === 'admin' && user && !board.shared ? eraser(board, user) : null),
  controls(choice(board, 'kind', 'Show', [['', 'every kind of event'], ...KINDS.map((name) => [name, `only ${name}`])])),
  grid(profile(board, user, events), when),
  what,
);

// Who somebody is, as far as their events say: traits, first and last seen, what they came with, where from, and what it was worth.

import { valueName } from '../board/dimensions.js';
import { number } from '../board/words.js';
import { facts } from '../shared/elements.js';
import { things, when } from '../shared/words.js';
import { money } from '../visits/money.js';

const MOST = 5;

/** `events`: the Question of this person's latest events. */
export function profile(board, user, events) {
  const ofPerson = (lens, more) => (common) => (user ? { lens, params: { ...common, 'where[user_id]': user, include_bots: 'true', ...more } } : null);
  const seen = board.ask('seen', ofPerson('users', { limit: '1' }), { still: true });
  const sources = board.ask('sources', ofPerson('visits', { by: 'channel', interval: 'whole', compare: 'none', limit: String(MOST) }), { still: true });
  const goals = board.ask('worth', ofPerson('goals', { interval: 'whole', compare: 'none' }), { still: true });
  const traits = board.ask('traits', (common) => (user ? { lens: 'user/traits', params: { ...common, user_id: user, include_bots: 'true' } } : null), { still: true });

  const counted = (name) => {
    const found = new Map();
    for (const event of events.answer?.events ?? []) if (event[name]) found.set(event[name], (found.get(event[name]) ?? 0) + 1);
    return [...found.keys()].slice(0, MOST).map((value) => valueName(name, value)).join(', ');
  };
  const worth = () => {
    const sums = new Map();
    for (const { revenue, currency } of goals.answer?.goals ?? []) if (revenue) sums.set(currency, (sums.get(currency) ?? 0) + revenue);
    return [...sums].map(([currency, sum]) => money(sum, currency)).join(' + ');
  };
  const reached = () => (goals.answer?.goals ?? []).filter(({ conversions }) => conversions > 0).map(({ name, conversions }) => `${name} ×${number(conversions)}`).join(', ');
  const told = () => (traits.answer?.traits ?? []).map(({ name, value }) => [name, value]);
  /** The latest first. */
  const companies = () => (traits.answer?.companies ?? []).slice(0, MOST).map(({ company }) => company).join(', ');
  const visits = () => sources.answer?.totals.visits ?? 0;

  /** Each has its line from the start, so that nothing moves when it is known. */
  const known = () => [
    ['Devices', [counted('device_type'), counted('browser'), counted('os')].filter(Boolean).join(' · ')],
    ['Country', counted('country')],
    ['Came by', (sources.answer?.rows ?? []).map(({ value }) => value).join(', ')],
    ['Visits', visits() ? `${things(visits(), 'visit')}, ${things(sources.answer.totals.page_views, 'page view')}` : ''],
    ['Goals', reached()],
    ['Value', worth()],
  ].map(([word, value]) => [word, value || '—']).concat([['Company', companies()]], told());

  return board.panel({
    of: seen,
    also: [events, sources, goals, traits],
    title: 'Who is this?',
    sub: 'From their events in this period; traits and first seen, all time',
    idle: 'Choose a user on the Users page.',
    isEmpty: ({ users }) => users.length === 0 || (events.answer?.count === 0 && !board.address.get('kind')), // forgotten meanwhile
    empty: () => 'No events with this id in this period.',
    about: known,
    body: ({ users: [{ first_seen: first, last_seen: last }] }) => facts([['First seen', when(first)], ['Last seen', when(last)], ...known()]),
  });
}

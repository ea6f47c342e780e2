// Goals: how often each was reached, by how many visitors, what it was worth; made, changed and deleted here by editors.

import { openBoard } from '../board/board.js';
import { number, percent } from '../board/words.js';
import { change } from '../shared/format.js';
import { el } from '../shared/elements.js';
import { money } from '../visits/money.js';
import { chooseGoal, deleteGoal } from './form.js';

const board = openBoard({ visits: true });
const reached = board.ask('goals', (common) => ({ lens: 'goals', params: { ...common, interval: 'whole', ...board.beside } }));
const kept = board.ask('kept', () => ({ lens: '/api/goals', params: { limit: '100' } }));

const again = () => board.refresh({ again: true });
const definition = (id) => kept.answer?.goals.find((goal) => goal.id === id);

function words(goal) {
  if (!goal) return '';
  const what = goal.event === null ? `page ${goal.page}` : `event ${goal.event}`;
  return Object.keys(goal.where).length ? `${what}, filtered` : what;
}

function acts(id) {
  const goal = definition(id);
  if (!board.acts || board.shared || !goal) return '';
  const make = () => el('span', { class: 'choices' },
    el('button', { class: 'button', type: 'button', 'aria-label': `Change the goal ${goal.name}`, onclick: () => chooseGoal(board, goal, again) }, 'Change'),
    el('button', { class: 'button', type: 'button', 'aria-label': `Delete the goal ${goal.name}`, onclick: () => deleteGoal(goal, again) }, 'Delete'));
  return { facts: goal, make };
}

const fresh = board.acts && !board.shared ? [el('button', { class: 'button accent', type: 'button', onclick: () => chooseGoal(board, null, again) }, '+ Goal')] : [];

/** Against what it is compared with: of people in numbers, of the rate in points. */
const became = (now, previous) => (previous ? change(now.visitors, previous.visitors).text : '');

function points(now, previous, visitors) {
  const by = previous ? Math.round((now.conversion_rate - previous.conversion_rate) * 10) / 10 : 0;
  return previous && visitors ? `${by > 0 ? '+' : by < 0 ? '−' : '±'}${Math.abs(by)}` : '';
}

board.start(board.panel({
  of: reached,
  also: [kept],
  title: 'Which goals are reached?',
  sub: ({ totals: { visitors } }) => `Rates are of all ${number(visitors)} visitors in this period, ${board.timezone} time`,
  tools: fresh,
  isEmpty: ({ goals }) => goals.length === 0,
  empty: () => [el('p', {}, 'No goals yet. A goal is an event or a page that matters to you, such as an order or a thank-you page. It counts all events that are stored already, too.')],
  table({ goals, totals }) {
    const compared = board.compares ? [{ title: 'Change', n: true, spare: true }, { title: 'Points', n: true, spare: true }] : [];
    return {
      columns: [{ title: 'Goal' }, { title: 'Reached by', spare: true }, { title: 'Visitors', n: true }, { title: 'Conversions', n: true, spare: true }, { title: 'Rate', n: true }, { title: 'Revenue', n: true }, ...compared, { title: 'Change or delete', hidden: true, spare: true }],
      rows: goals.map((goal) => [
        { text: goal.name, href: board.shared ? null : board.href('/visits', { goal: goal.id }), title: 'Who reached it, by source, page and country' },
        words(definition(goal.id)), number(goal.visitors), number(goal.conversions), percent(goal.conversion_rate), money(goal.revenue, goal.currency),
        ...(board.compares ? [became(goal, goal.previous), points(goal, goal.previous, totals.previous)] : []),
        acts(goal.id),
      ]),
    };
  },
}));

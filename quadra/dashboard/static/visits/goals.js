// Which goals were reached. A click on one shows conversions and revenue in every panel, by every dimension.

import { number, percent } from '../board/words.js';
import { el } from '../shared/elements.js';
import { money } from './money.js';

export function goalsPanel(board, goals) {
  const { address } = board;
  const chosen = () => address.get('goal');
  const toggle = (id) => address.change({ goal: id === chosen() ? null : id });

  function name({ id, name: words, visitors }, most) {
    const make = () => {
      const bar = el('i', { 'aria-hidden': 'true' });
      bar.style.width = `${(visitors / most) * 100}%`;
      if (board.shared) return el('span', { class: 'rank' }, bar, el('span', {}, words));
      return el('button', { class: 'rank', type: 'button', 'aria-pressed': String(id === chosen()), onclick: () => toggle(id), title: 'Show who reached it in every panel' }, bar, el('span', {}, words));
    };
    return { facts: [id, words, visitors / most, id === chosen()], make };
  }

  return board.panel({
    of: goals,
    title: 'Which goals are reached?',
    tools: board.shared ? [] : [el('a', { class: 'button', href: board.href('/goals') }, 'All goals')],
    isEmpty: ({ goals: found }) => found.length === 0,
    empty: () => [el('p', {}, 'A goal is an event or a page that matters to you, such as an order.'), board.acts ? el('p', {}, el('a', { href: board.href('/goals') }, 'Make the first goal')) : ''],
    table({ goals: found }) {
      const most = Math.max(...found.map(({ visitors }) => visitors), 1);
      return {
        columns: [{ title: 'Goal' }, { title: 'Visitors', n: true }, { title: 'Conversions', n: true, spare: true }, { title: 'Rate', n: true, spare: true }, { title: 'Revenue', n: true }],
        rows: found.map((goal) => [name(goal, most), number(goal.visitors), number(goal.conversions), percent(goal.conversion_rate), money(goal.revenue, goal.currency)]),
      };
    },
    foot: () => (board.shared ? [] : [el('span', {}, chosen() ? 'Conversions of the chosen goal are shown in every panel.' : 'Choose a goal to see who reached it in every panel.')]),
  });
}

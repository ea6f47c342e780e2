// A panel of visits with tabs: each tab is a dimension, each row filters the page by its value, each number sorts the rows.

import { TITLES, valueName } from '../board/dimensions.js';
import { number, percent, seconds } from '../board/words.js';
import { count } from '../shared/format.js';
import { el } from '../shared/elements.js';
import { money } from './money.js';
import { worldMap } from './world.js';

const FEW = 8;
const MANY = [100, 1000];
const MAP = 'map';
const COUNTRIES = 300;
const OF_PAGES = ['page', 'hostname', 'title'];

/** `key`: of the tab in the address; `tabs`: [[dimension, name], …], 'map' is of countries; `goals`: the Question that knows currencies. */
export function tabbed(board, { key, title, tabs, sub, goals, empty }) {
  const { address } = board;
  const tab = () => tabs.find(([name]) => name === address.get(key))?.[0] ?? tabs[0][0];
  const dimension = () => (tab() === MAP ? 'country' : tab());
  const sort = () => {
    const wanted = address.get(`${key}_sort`, 'visitors');
    return columns(dimension(), board).some(({ name }) => name === wanted) ? wanted : 'visitors';
  };
  const limit = () => MANY.find((many) => String(many) === address.get(`${key}_rows`)) ?? FEW;
  const question = board.ask(key, (common) => ({
    lens: 'visits',
    params: { ...common, by: dimension(), sort: sort(), limit: String(tab() === MAP ? COUNTRIES : limit()), interval: 'whole', compare: 'none', ...(address.get('goal') ? { goal: address.get('goal') } : {}) },
  }));

  const buttons = tabs.map(([name, words]) => el('button', { class: 'tab', type: 'button', onclick: () => address.change({ [key]: name === tabs[0][0] ? null : name, [`${key}_rows`]: null }) }, words));
  const draw = () => tabs.forEach(([name], place) => buttons[place].setAttribute('aria-pressed', String(name === tab())));
  address.onChange(draw);
  draw();

  function table({ rows: all }) {
    const rows = tab() === MAP ? all.slice(0, limit()) : all;
    const shown = columns(dimension(), board);
    const most = Math.max(...rows.map(({ visitors }) => visitors), 1);
    return {
      columns: [{ title: TITLES[dimension()] }, ...shown.map(({ name, words, spare }) => ({ title: words, n: true, spare, sorted: name === sort(), sort: () => address.change({ [`${key}_sort`]: name === 'visitors' ? null : name }) }))],
      rows: rows.map((row) => [nameCell(board, dimension(), row, row.visitors / most), ...shown.map(({ name, write }) => write(row[name], goals))]),
    };
  }

  function foot({ rows: { length }, total_rows: total, places }) {
    const parts = [];
    const rows = { length: Math.min(length, limit()) };
    if (!board.shared && total > rows.length && limit() < MANY.at(-1)) {
      const more = MANY.find((many) => many > rows.length);
      parts.push(el('button', { class: 'link', type: 'button', onclick: () => address.change({ [`${key}_rows`]: String(more) }) }, total <= more ? `Show all ${count(total)}` : `Show ${count(more)} of ${count(total)}`));
    } else if (total > rows.length) parts.push(el('span', {}, `The first ${count(rows.length)} of ${count(total)}`));
    else if (limit() > FEW) parts.push(el('button', { class: 'link', type: 'button', onclick: () => address.change({ [`${key}_rows`]: null }) }, 'Show fewer'));
    for (const place of places) parts.push(el('span', {}, `Found by the address, which is not kept: ${place.name}, ${place.built_at.slice(0, 10)}`));
    return parts;
  }

  return board.panel({
    of: question, title, sub, tools: [el('div', { class: 'tabs-of', role: 'group', 'aria-label': title }, ...buttons)],
    also: [goals], isEmpty: ({ rows }) => rows.length === 0, empty: empty ?? (() => 'No visits in this period.'), table, foot,
    ...(tabs.some(([name]) => name === MAP) ? { about: tab, body: ({ rows }) => (tab() === MAP ? worldMap(board, rows, board.shared ? null : (code, out) => address.filterBy('country', code, out ? 'is_not' : 'is')) : []) } : {}),
  });
}

function columns(dimension, board) {
  const visitors = { name: 'visitors', words: 'Visitors', write: number };
  if (board.address.get('goal')) {
    return [visitors, { name: 'conversions', words: 'Conversions', write: number, spare: true }, { name: 'conversion_rate', words: 'Rate', write: percent, spare: true },
      { name: 'revenue', words: 'Revenue', write: (value, goals) => money(value, currencyOf(board, goals)) }];
  }
  const second = OF_PAGES.includes(dimension) ? { name: 'page_views', words: 'Views', write: number } : { name: 'visits', words: 'Visits', write: number };
  return [visitors, second, { name: 'bounce_rate', words: 'Bounces', write: percent, spare: true }, { name: 'avg_duration_seconds', words: 'Time', write: seconds, spare: true }];
}

export function currencyOf(board, goals) {
  return goals.answer?.goals.find(({ id }) => id === board.address.get('goal'))?.currency ?? null;
}

/** A click filters by the value, alt-click (or Alt and Enter) leaves it out. */
function nameCell(board, dimension, { value, label }, share) {
  const words = label ?? valueName(dimension, value);
  const make = () => {
    const bar = el('i', { 'aria-hidden': 'true' });
    bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
    if (board.shared) return el('span', { class: 'rank' }, bar, el('span', {}, words));
    const filter = (out) => board.address.filterBy(dimension, value, out ? 'is_not' : 'is');
    return el('button', {
      class: 'rank', type: 'button', title: `Only ${words}; Alt-click leaves it out`, onclick: (event) => filter(event.altKey),
      onkeydown: (event) => {
        if (event.key !== 'Enter' || !event.altKey) return;
        event.preventDefault();
        filter(true);
      },
    }, bar, el('span', {}, words));
  };
  return { facts: [dimension, value, words, share], make };
}

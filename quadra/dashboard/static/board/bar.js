// The bar above a page of lenses: range, interval, comparison, filters, bots, export, saved views. It shows what the address
// says and changes nothing but the address.

import { el } from '../shared/elements.js';
import { chooseDays } from './calendar.js';
import { exportMenu } from './export.js';
import { filterChips } from './filters.js';
import { INTERVALS, NAMED, PRESETS, wallClock } from './range.js';
import { segments } from './segments.js';
import { savedViews } from './views.js';
import { day } from './words.js';

const COMPARISONS = [['before', 'vs time before'], ['year', 'vs last year'], ['no', 'not compared']];

export function bar(board) {
  const { address, bar: has } = board;
  const parts = [];
  if (has.ranged) parts.push(period(board));
  if (has.interval) parts.push(interval(board));
  if (has.compare) parts.push(comparison(board));
  if (has.bots) parts.push(check(board, 'Bots', 'bots', (given) => given === 'yes', (on) => (on ? 'yes' : null), 'include bots'));
  if (has.filters) parts.push(segments(board), filterChips(board));
  const zones = zone(board);
  const right = el('div', { class: 'bar-end' }, zones.element, exportMenu(board), savedViews(board));
  const [first, ...others] = parts.map((part) => part.element);
  const element = el('div', { class: 'bar-row', role: 'group', 'aria-label': 'Options' }, first, unfold(() => element), ...others, right);
  const draw = () => [...parts, zones].forEach((part) => part.draw());
  address.onChange(draw);
  draw();
  return element;
}

/** On a phone the data comes first: but for the first one and the filters that are set, options show when somebody asks for them. */
function unfold(bar) {
  const button = el('button', { class: 'pill unfold', type: 'button', 'aria-expanded': 'false' }, 'Options');
  button.addEventListener('click', () => button.setAttribute('aria-expanded', String(bar().classList.toggle('open'))));
  return button;
}

function period(board) {
  const { address } = board;
  const select = el('select', { class: 'pill', 'aria-label': 'Time', autocomplete: 'off' });

  function draw() {
    const { preset, name, first, last, days } = board.range;
    const known = name !== null || PRESETS.some(([number]) => number === preset);
    const own = preset === null ? `${day(first)} – ${day(last)}` : `Last ${days} days`;
    select.title = `Days of the time zone ${board.timezone}`;
    select.replaceChildren(
      ...PRESETS.map(([number, words]) => el('option', { value: number }, words)),
      ...Object.entries(NAMED).map(([value, [words]]) => el('option', { value }, words)),
      ...(known ? [] : [el('option', { value: 'own' }, own)]),
      el('option', { value: 'choose' }, 'Choose days…'),
    );
    select.value = known ? name ?? String(preset) : 'own';
  }

  select.addEventListener('change', () => {
    if (select.value === 'choose') {
      const { first, last } = board.range;
      draw(); // until they are chosen
      ownDays(board, 'Which days?', first, last, (from, to) => address.change({ range: null, days: null, from, to }));
    } else if (select.value in NAMED) address.change({ range: select.value, days: null, from: null, to: null });
    else if (select.value !== 'own') address.change({ range: null, days: select.value, from: null, to: null });
  });
  return { element: select, draw };
}

function ownDays(board, title, first, last, take) {
  const [most] = wallClock(board.timezone);
  chooseDays({ title, first, last, most, weekStart: board.weekStart, zone: board.timezone, take });
}

function comparison(board) {
  const { address } = board;
  const select = el('select', { class: 'pill', 'aria-label': 'Compare', autocomplete: 'off' });

  function draw() {
    const given = address.get('compare');
    const { from, to } = board.range.before;
    select.replaceChildren(
      ...COMPARISONS.map(([value, words]) => el('option', { value }, words)),
      ...(given === 'own' ? [el('option', { value: 'own' }, `vs ${day(from)} – ${day(to.slice(0, 10))}`)] : []),
      el('option', { value: 'choose' }, 'Compare with days…'),
    );
    select.value = given === 'own' || COMPARISONS.some(([value]) => value === given) ? given : 'before';
  }

  select.addEventListener('change', () => {
    const { value } = select;
    if (value === 'own') return;
    if (value === 'choose') {
      const { from, to } = board.range.before;
      draw();
      ownDays(board, 'Compare with which days?', from, to.slice(0, 10), (first, last) => address.change({ compare: 'own', compare_from: first, compare_to: last }));
    } else address.change({ compare: value === 'before' ? null : value, compare_from: null, compare_to: null });
  });
  return { element: select, draw };
}

/** The time zone of everything on the page: the project's, or the reader's where they choose it. */
function zone(board) {
  const { address, projectZone } = board;
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const select = el('select', { class: 'pill', 'aria-label': 'Time zone', title: 'Of all times on this page', autocomplete: 'off' });
  const draw = () => {
    const zones = [...new Set([projectZone, mine, board.timezone])];
    select.replaceChildren(...zones.map((name) => el('option', { value: name }, name === projectZone ? `${name} time` : `${name} time${name === mine ? ' (yours)' : ''}`)));
    select.value = board.timezone;
    select.disabled = zones.length < 2;
  };
  select.addEventListener('change', () => address.change({ timezone: select.value === projectZone ? null : select.value }));
  return { element: select, draw };
}

function interval(board) {
  const select = el('select', { class: 'pill', 'aria-label': 'Interval', autocomplete: 'off' },
    ...INTERVALS.map((name) => el('option', { value: name }, `by ${name}`)));
  select.addEventListener('change', () => board.address.change({ interval: select.value }));
  return { element: select, draw: () => { select.value = board.interval; } };
}

function check(board, name, parameter, isOn, given, title) {
  const box = el('input', { type: 'checkbox', autocomplete: 'off' });
  box.addEventListener('change', () => board.address.change({ [parameter]: given(box.checked) }));
  return {
    element: el('label', { class: 'pill check', title }, box, ` ${name}`),
    draw: () => { box.checked = isOn(board.address.get(parameter)); },
  };
}

// The bar above a page of lenses: range, interval, comparison, filters, bots, export, saved views. It shows what the address
// says and changes nothing but the address.

import { el } from '../shared/elements.js';
import { exportMenu } from './export.js';
import { filterChips } from './filters.js';
import { INTERVALS, NAMED, PRESETS } from './range.js';
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
  const right = el('div', { class: 'bar-end' }, exportMenu(board), savedViews(board));
  const element = el('div', { class: 'bar-row', role: 'group', 'aria-label': 'Options' }, ...parts.map((part) => part.element), right);
  const draw = () => parts.forEach((part) => part.draw());
  address.onChange(draw);
  draw();
  return element;
}

function period(board) {
  const { address } = board;
  const select = el('select', { class: 'pill', 'aria-label': 'Time', title: `Days of the time zone ${board.timezone}`, autocomplete: 'off' });
  const from = el('input', { type: 'date', class: 'pill', 'aria-label': 'First day' });
  const to = el('input', { type: 'date', class: 'pill', 'aria-label': 'Last day' });
  const dates = el('span', { class: 'dates', hidden: true }, from, ' to ', to);

  function draw() {
    const { preset, name, first, last, days } = board.range;
    const known = name !== null || PRESETS.some(([number]) => number === preset);
    const own = preset === null ? `${day(first)} – ${day(last)}` : `Last ${days} days`;
    select.replaceChildren(
      ...PRESETS.map(([number, words]) => el('option', { value: number }, words)),
      ...Object.entries(NAMED).map(([value, [words]]) => el('option', { value }, words)),
      ...(known ? [] : [el('option', { value: 'own' }, own)]),
      el('option', { value: 'choose' }, 'Choose days…'),
    );
    select.value = known ? name ?? String(preset) : 'own';
    from.value = first;
    to.value = last;
    dates.hidden = preset !== null || name !== null;
  }

  select.addEventListener('change', () => {
    if (select.value === 'choose') {
      dates.hidden = false;
      from.focus();
    } else if (select.value in NAMED) address.change({ range: select.value, days: null, from: null, to: null });
    else if (select.value !== 'own') address.change({ range: null, days: select.value, from: null, to: null });
  });
  const choose = () => {
    if (!from.value || !to.value) return;
    const [first, last] = [from.value, to.value].sort();
    address.change({ range: null, days: null, from: first, to: last });
  };
  from.addEventListener('change', choose);
  to.addEventListener('change', choose);
  return { element: el('span', { class: 'period' }, select, dates), draw };
}

function comparison(board) {
  const select = el('select', { class: 'pill', 'aria-label': 'Compare', autocomplete: 'off' },
    ...COMPARISONS.map(([value, words]) => el('option', { value }, words)));
  select.addEventListener('change', () => board.address.change({ compare: select.value === 'before' ? null : select.value }));
  const draw = () => {
    const given = board.address.get('compare');
    select.value = COMPARISONS.some(([value]) => value === given) ? given : 'before';
  };
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

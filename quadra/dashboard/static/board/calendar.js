// A dialog in which somebody chooses days: on a calendar, by mouse or arrow keys, or by typing the first and the last.

import { el } from '../shared/elements.js';
import { shown } from './dialogs.js';
import { isDate, moved } from './range.js';

const monthName = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });
const dayName = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'short', timeZone: 'UTC' });
const MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

const ms = (date) => Date.parse(`${date}T00:00:00Z`);
const monthOf = (date) => `${date.slice(0, 7)}-01`;
/** The same day so many months on, or the last day of that month. */
function monthsOn(date, months) {
  const first = new Date(ms(monthOf(date)));
  first.setUTCMonth(first.getUTCMonth() + months);
  const start = first.toISOString().slice(0, 10);
  const wanted = moved(start, Number(date.slice(8)) - 1);
  return wanted.slice(0, 7) === start.slice(0, 7) ? wanted : moved(monthsOn(start, 1), -1);
}

/** `first`, `last`: chosen so far; `most`: the last day that can be chosen; `weekStart` 0 is Sunday; `take(first, last)` gets them. */
export function chooseDays({ title, first, last, most, weekStart, take, zone }) {
  let [from, to] = [first, last];
  let at = last > most ? most : last;
  let open = false; // one end is chosen, the other is not yet
  const input = (id, label) => [el('label', { for: id }, label), el('input', { id, type: 'date', max: most, required: true, autocomplete: 'off' })];
  const [fromLabel, fromInput] = input('days-first', 'First day');
  const [toLabel, toInput] = input('days-last', 'Last day');
  const head = el('h3', { 'aria-live': 'polite' });
  const grid = el('table', { class: 'calendar', role: 'grid', 'aria-label': 'Days' });

  function choose(day) {
    if (open) [from, to] = [from, day].sort();
    else [from, to] = [day, day];
    open = !open;
    at = day;
    draw(true);
  }

  function go(day, focus = true) {
    at = day > most ? most : day;
    draw(focus);
  }

  function cell(day) {
    const within = day >= from && day <= to;
    return el('td', { role: 'gridcell', 'aria-selected': String(within), class: [within && 'within', day === from && 'from', day === to && 'to', day.slice(0, 7) !== at.slice(0, 7) && 'other'].filter(Boolean).join(' ') || null },
      el('button', { type: 'button', tabindex: day === at ? '0' : '-1', disabled: day > most, 'data-day': day, 'aria-label': dayName.format(ms(day)), onclick: () => choose(day) }, String(Number(day.slice(8)))));
  }

  function draw(focus = false) {
    head.textContent = monthName.format(ms(at));
    [fromInput.value, toInput.value] = [from, to];
    const begin = monthOf(at);
    const start = moved(begin, -((new Date(ms(begin)).getUTCDay() - weekStart + 7) % 7));
    const week = (number) => Array.from({ length: 7 }, (_, place) => moved(start, number * 7 + place));
    grid.replaceChildren(
      el('thead', {}, el('tr', {}, ...week(0).map((day) => el('th', { scope: 'col' }, weekday.format(ms(day)))))),
      el('tbody', {}, ...Array.from({ length: 6 }, (_, number) => el('tr', {}, ...week(number).map(cell)))));
    if (focus) grid.querySelector(`[data-day="${at}"]`).focus();
  }

  grid.addEventListener('keydown', (event) => {
    const { key } = event;
    if (key in MOVES) go(moved(at, MOVES[key]));
    else if (key === 'PageUp' || key === 'PageDown') go(monthsOn(at, key === 'PageUp' ? -1 : 1));
    else if (key === 'Home' || key === 'End') go(key === 'Home' ? monthOf(at) : moved(monthsOn(monthOf(at), 1), -1));
    else return;
    event.preventDefault();
  });
  for (const [place, change] of [[fromInput, (day) => { from = day; }], [toInput, (day) => { to = day; }]]) {
    place.addEventListener('change', () => {
      if (!isDate(place.value)) return;
      change(place.value);
      open = false;
      go(place.value, false);
    });
  }
  const turn = (months, words, label) => el('button', { class: 'button', type: 'button', 'aria-label': label, onclick: () => go(monthsOn(at, months), false) }, words);
  const form = el('form', { onsubmit: (event) => {
    event.preventDefault();
    dialog.close();
    take(...[from, to].sort());
  } },
  el('h2', { id: 'days-title' }, title),
  el('div', { class: 'days-typed' }, el('span', {}, fromLabel, fromInput), el('span', {}, toLabel, toInput)),
  el('div', { class: 'days-head' }, turn(-12, '«', 'A year back'), turn(-1, '‹', 'A month back'), head, turn(1, '›', 'A month on'), turn(12, '»', 'A year on')),
  grid,
  el('p', { class: 'sub' }, `Days of the time zone ${zone}. Choose the first, then the last.`),
  el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), el('button', { class: 'button primary' }, 'Show these days')));
  draw();
  const dialog = shown(form, 'days-title');
  grid.querySelector('[tabindex="0"]').focus();
}

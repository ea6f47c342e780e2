// Cells of the tables of settings: a row becomes a card on a small screen, where each cell says what it is.

import { el, replace } from '../shared/elements.js';
import { moment } from '../shared/format.js';

export const head = (...words) => el('th', { scope: 'row', class: 'wide' }, ...words);
/** A dash is for tables alone: on a card, what there is none of is not mentioned. */
export const cell = (label, ...words) => el('td', { 'data-label': label, class: words.length === 1 && words[0] === '—' ? 'none' : null }, ...words);
export const acts = (...buttons) => el('td', { class: 'act' }, ...buttons);
export const button = (words, label, onclick) => el('button', { class: 'button', type: 'button', 'aria-label': label, onclick }, words);
export const when = (label, iso, never = 'never') => cell(label, iso === null ? never : el('time', { datetime: iso }, moment(Date.parse(iso))));

export function show(rows, columns, nothing, place = 'rows') {
  const empty = el('tr', {}, el('td', { colspan: columns, class: 'nothing full' }, nothing));
  replace(document.getElementById(place), rows.length > 0 ? rows : [empty]);
}

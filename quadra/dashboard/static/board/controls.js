// What a page lets people choose, each bound to a parameter of the address.

import { el } from '../shared/elements.js';
import { picker } from './picker.js';

/** A select; `choices`: [[value, name], …], the first one is what holds where the address says nothing. */
export function choice(board, parameter, label, choices) {
  const select = el('select', { class: 'pill', autocomplete: 'off' }, ...choices.map(([value, name]) => el('option', { value }, name)));
  select.addEventListener('change', () => board.address.change({ [parameter]: select.value === choices[0][0] ? null : select.value }));
  const draw = () => {
    const given = board.address.get(parameter, choices[0][0]);
    select.value = choices.some(([value]) => value === given) ? given : choices[0][0];
  };
  board.address.onChange(draw);
  draw();
  return labelled(board, label, select);
}

/** A text with names to choose from; `names()` is a promise of them, asked for when somebody goes there. */
export function field(board, parameter, label, names, { placeholder = '' } = {}) {
  const input = el('input', { class: 'pill', placeholder, maxlength: '200' });
  const list = picker(input, names);
  input.addEventListener('change', () => board.address.change({ [parameter]: input.value.trim() }));
  input.addEventListener('keydown', (event) => event.key === 'Enter' && !event.defaultPrevented && input.blur());
  const draw = () => {
    if (document.activeElement !== input) input.value = board.address.get(parameter);
  };
  board.address.onChange(draw);
  input.addEventListener('blur', draw);
  draw();
  return labelled(board, label, input, list);
}

function labelled(board, label, control, ...more) {
  if (board.shared) control.disabled = true;
  return el('label', { class: 'control' }, el('span', {}, label), control, ...more);
}

export const controls = (...parts) => el('div', { class: 'panel controls' }, ...parts);

// Filters as chips: each says what it is and goes away with a click; the form adds one, with names from the data.

import { el } from '../shared/elements.js';
import { BARE, OPS, filterWords } from './dimensions.js';
import { properties, valuesOf } from './names.js';
import { picker } from './picker.js';
import { shortened } from './words.js';

export function filterChips(board) {
  const { address } = board;
  const chips = el('span', { class: 'chips' });
  const add = el('button', { class: 'pill', type: 'button', 'aria-haspopup': 'dialog', 'data-filter': true, onclick: () => chooseFilter(board, (property, op, value) => address.filterBy(property, value, op)) }, '+ Filter');

  function chip(filter, values) {
    const words = filterWords(filter.property, filter.op, values);
    const idle = !board.takes(filter);
    return el('button', {
      class: `pill chip${idle ? ' idle' : ''}`, type: 'button', title: idle ? `${words}. This page cannot be filtered by it; it is kept for Visits.` : words, onclick: () => remove(filter, values),
    }, el('span', { class: 'chip-words' }, shortened(words, 48)), idle ? el('span', { class: 'hidden' }, ', not used on this page') : null,
    el('span', { class: 'hidden' }, ', remove this filter'), el('span', { 'aria-hidden': 'true' }, ' ✕'));
  }

  const draw = () => chips.replaceChildren(...address.filters.flatMap((filter) => (filter.op === 'is' || filter.op === 'is_not'
    ? filter.values.map((value) => chip(filter, [value])) : [chip(filter, filter.values)])));

  function remove({ name, values }, gone) {
    address.change({ [name]: values.filter((one) => !gone.includes(one)) });
    add.focus();
  }

  return { element: el('span', { class: 'filter-bar' }, chips, add), draw };
}

/** A dialog for one filter; `take(property, op, value)` gets it. `ops`: how values can be compared where it goes. */
export function chooseFilter(board, take, ops = Object.keys(OPS)) {
  const property = el('input', { id: 'filter-property', required: true, autocomplete: 'off', maxlength: '200' });
  const op = el('select', { id: 'filter-op', class: 'field', 'aria-label': 'How to compare', autocomplete: 'off' }, ...ops.map((name) => el('option', { value: name }, OPS[name])));
  op.hidden = ops.length < 2;
  const value = el('input', { id: 'filter-value', autocomplete: 'off', maxlength: '1000' });
  const label = el('label', { for: 'filter-value' }, OPS[ops[0]]);
  const names = picker(property, () => properties(board));
  const values = picker(value, async () => (property.value.trim() ? valuesOf(board, property.value.trim()) : []));
  op.addEventListener('change', () => {
    label.textContent = OPS[op.value];
    value.hidden = label.hidden = BARE.includes(op.value);
    value.inputMode = value.type = ['gt', 'gte', 'lt', 'lte'].includes(op.value) ? 'number' : 'text';
    value.required = value.type === 'number';
    value.step = 'any';
  });
  const form = el('form', { method: 'dialog' },
    el('h2', { id: 'filter-title' }, board.bar.visits ? 'Only visits where' : 'Only events where'),
    el('label', { for: 'filter-property' }, 'a field or property'), property, names, op,
    label, value, values,
    el('p', { class: 'sub' }, 'Leave empty to match events without a value. Several values of one property mean any of them; several properties must all match.'),
    el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), el('button', { class: 'button primary' }, 'Filter')));
  const dialog = el('dialog', { class: 'form', 'aria-labelledby': 'filter-title' }, form);
  form.addEventListener('submit', () => {
    if (property.value.trim()) take(property.value.trim(), op.value, BARE.includes(op.value) ? 'true' : value.value);
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// Filters as chips: each says property = value and goes away with a click; the form adds one, with names from the data.

import { el } from '../shared/elements.js';
import { offer, properties, valuesOf } from './names.js';
import { named, shortened } from './words.js';

export function filterChips(board) {
  const chips = el('span', { class: 'chips' });
  const add = el('button', { class: 'pill', type: 'button', 'aria-haspopup': 'dialog', onclick: () => chooseFilter(board, take) }, '+ Filter');

  function draw() {
    const found = board.address.filters.flatMap(([property, values]) => values.map((value) => [property, value]));
    chips.replaceChildren(...found.map(([property, value]) => el('button', {
      class: 'pill chip', type: 'button', title: `${property} = ${named(value, '(none)')}`, onclick: () => remove(property, value),
    }, el('span', { class: 'chip-words' }, `${shortened(property, 20)} = ${shortened(value, 24)}`), el('span', { class: 'hidden' }, ', remove this filter'), el('span', { 'aria-hidden': 'true' }, ' ✕'))));
  }

  function take(property, value) {
    const [, already] = board.address.filters.find(([known]) => known === property) ?? [null, []];
    board.address.change({ [`where[${property}]`]: [...new Set([...already, value])] });
  }

  function remove(property, value) {
    const [, values] = board.address.filters.find(([name]) => name === property) ?? [null, []];
    board.address.change({ [`where[${property}]`]: values.filter((one) => one !== value) });
    add.focus();
  }

  return { element: el('span', { class: 'filter-bar' }, chips, add), draw };
}

/** A dialog for one filter; `take(property, value)` gets it. */
export function chooseFilter(board, take) {
  const property = el('input', { id: 'filter-property', list: 'filter-properties', required: true, autocomplete: 'off', maxlength: '200' });
  const value = el('input', { id: 'filter-value', list: 'filter-values', autocomplete: 'off', maxlength: '1000' });
  const names = el('datalist', { id: 'filter-properties' });
  const values = el('datalist', { id: 'filter-values' });
  offer(names, properties(board));
  property.addEventListener('change', () => property.value.trim() && offer(values, valuesOf(board, property.value.trim())));
  const form = el('form', { method: 'dialog' },
    el('h2', { id: 'filter-title' }, 'Only events where'),
    el('label', { for: 'filter-property' }, 'a field or property'), property, names,
    el('label', { for: 'filter-value' }, 'is'), value, values,
    el('p', { class: 'sub' }, 'Leave empty to match events without a value. Several values of one property mean any of them; several properties must all match.'),
    el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), el('button', { class: 'button primary' }, 'Filter')));
  const dialog = el('dialog', { class: 'form', 'aria-labelledby': 'filter-title' }, form);
  form.addEventListener('submit', () => {
    if (property.value.trim()) take(property.value.trim(), value.value);
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

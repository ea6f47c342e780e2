// The funnel as it is put together by clicking: steps with event and filter, excluded events between them, order, window.

import { choice, field } from '../board/controls.js';
import { chooseFilter } from '../board/filters.js';
import { eventNames, properties } from '../board/names.js';
import { picker } from '../board/picker.js';
import { named, shortened } from '../board/words.js';
import { el } from '../shared/elements.js';
import { WINDOWS, USUAL_WINDOW, list } from './definition.js';

const STEPS_MOST = 20;

export function builder(board) {
  const { address } = board;
  const places = { steps: el('ol', { class: 'steps' }), exclusions: el('ol', { class: 'steps' }) };
  const state = { steps: [], exclusions: [] };

  function load() {
    for (const name of ['steps', 'exclusions']) state[name] = list(address, name);
    while (state.steps.length < 2) state.steps.push({ event: '' });
    draw();
  }

  const written = (name) => {
    const kept = state[name].filter(({ event }) => event);
    return kept.length ? JSON.stringify(kept) : null;
  };
  const commit = () => address.change({ steps: written('steps'), exclusions: written('exclusions') });

  function draw() {
    places.steps.replaceChildren(...state.steps.map((step, at) => stepRow(step, at)));
    places.exclusions.replaceChildren(...state.exclusions.map((one, at) => exclusionRow(one, at)));
  }

  function eventInput(one, label) {
    const input = el('input', { class: 'pill', value: one.event ?? '', 'aria-label': label, placeholder: 'event', maxlength: '200' });
    const list = picker(input, () => eventNames(board));
    input.addEventListener('change', () => {
      one.event = input.value.trim();
      commit();
    });
    return [input, list];
  }

  const button = (text, label, act, more = {}) => el('button', { class: 'button', type: 'button', 'aria-label': label, title: label, onclick: act, ...more }, text);

  function move(at, to) {
    const [step] = state.steps.splice(at, 1);
    state.steps.splice(to, 0, step);
    draw();
    commit();
    places.steps.children[to]?.querySelector('input').focus();
  }

  function remove(name, at) {
    state[name].splice(at, 1);
    if (name === 'steps') while (state.steps.length < 2) state.steps.push({ event: '' });
    draw();
    commit();
    (places[name].children[Math.max(0, at - 1)] ?? places.steps.lastChild).querySelector('input').focus();
  }

  function filters(step, at) {
    const chips = Object.entries(step.where ?? {}).flatMap(([property, values]) => [values].flat().map((value) => el('button', {
      class: 'pill chip', type: 'button', title: `${property} = ${named(value)}`,
      onclick: () => {
        const rest = [values].flat().filter((one) => one !== value);
        step.where = { ...step.where, [property]: rest };
        if (!rest.length) delete step.where[property];
        if (!Object.keys(step.where).length) delete step.where;
        draw();
        commit();
      },
    }, el('span', { class: 'chip-words' }, `${shortened(property, 16)} = ${shortened(value, 20)}`), el('span', { class: 'hidden' }, ', remove this filter'), el('span', { 'aria-hidden': 'true' }, ' ✕'))));
    const add = el('button', { class: 'button', type: 'button', onclick: () => chooseFilter(board, (property, _op, value) => {
      step.where = { ...step.where, [property]: [...new Set([...[step.where?.[property] ?? []].flat(), value])] };
      draw();
      commit();
    }, ['is']) }, 'where…', el('span', { class: 'hidden' }, ` of step ${at + 1}`));
    return [...chips, add];
  }

  function stepRow(step, at) {
    return el('li', {}, el('span', { class: 'place' }, `${at + 1}`), ...eventInput(step, `Event of step ${at + 1}`), ...filters(step, at),
      el('span', { class: 'choices' }, button('↑', `Move step ${at + 1} up`, () => move(at, at - 1), { disabled: at === 0 }),
        button('↓', `Move step ${at + 1} down`, () => move(at, at + 1), { disabled: at === state.steps.length - 1 }),
        button('✕', `Remove step ${at + 1}`, () => remove('steps', at))));
  }

  function exclusionRow(one, at) {
    const between = el('select', { class: 'pill', 'aria-label': 'Between which steps', autocomplete: 'off' },
      ...state.steps.flatMap((_, from) => state.steps.slice(from + 1).map((__, more) => el('option', { value: `${from} ${from + 1 + more}` }, `between ${from + 1} and ${from + 2 + more}`))));
    between.value = `${one.from_step ?? 0} ${one.to_step ?? state.steps.length - 1}`;
    between.addEventListener('change', () => {
      [one.from_step, one.to_step] = between.value.split(' ').map(Number);
      commit();
    });
    return el('li', {}, el('span', { class: 'place' }, 'not'), ...eventInput(one, `Excluded event ${at + 1}`), between,
      el('span', { class: 'choices' }, button('✕', `Remove exclusion ${at + 1}`, () => remove('exclusions', at))));
  }

  const add = (name, one) => {
    if (state[name].length >= STEPS_MOST) return;
    state[name].push(one());
    draw();
    places[name].lastChild.querySelector('input').focus();
  };

  address.onChange(() => {
    if (written('steps') !== address.get('steps', null) || written('exclusions') !== address.get('exclusions', null)) load();
  });
  load();
  return el('section', { class: 'panel builder', 'aria-labelledby': 'builder-title' },
    el('h2', { id: 'builder-title' }, 'Which steps do people take?'), places.steps, places.exclusions,
    el('div', { class: 'choices' },
      el('button', { class: 'button accent', type: 'button', onclick: () => add('steps', () => ({ event: '' })) }, '+ Step'),
      el('button', { class: 'button', type: 'button', onclick: () => add('exclusions', () => ({ event: '', from_step: 0, to_step: state.steps.length - 1 })) }, '+ Exclude event')),
    el('div', { class: 'bare controls' },
      choice(board, 'order', 'Order', [['ordered', 'in this order'], ['strict', 'in this exact order, nothing between'], ['unordered', 'in any order']]),
      choice(board, 'window', 'Within', [WINDOWS.find(([value]) => value === USUAL_WINDOW), ...WINDOWS.filter(([value]) => value !== USUAL_WINDOW)]),
      field(board, 'breakdown', 'Split by', () => properties(board), { placeholder: 'nothing' }),
      choice(board, 'attribution', 'Attribution', [['first_touch', 'first touch'], ['last_touch', 'last touch'], ['all_events', 'each one'], ['step:0', 'step 1']])));
}

// The dialog that makes or changes a segment: filters of any event, and what people did or did not do.

import { attempt, deleteDialog, problemPlace, shown } from '../board/dialogs.js';
import { filterWords } from '../board/dimensions.js';
import { chooseFilter } from '../board/filters.js';
import { eventNames } from '../board/names.js';
import { picker } from '../board/picker.js';
import { shortened } from '../board/words.js';
import { el } from '../shared/elements.js';
import { send } from '../shared/rest.js';
import { filtersOf, whereOf, withFilter } from './rules.js';

const PATH = '/api/segments';
const DEEDS_MOST = 20;

/** `segment`: the one to change, or null for a new one. `done()` is called once it is kept. */
export function chooseSegment(board, segment, done) {
  const name = el('input', { id: 'segment-name', value: segment?.name ?? '', required: true, autocomplete: 'off', maxlength: '200' });
  const filters = filtersOf(segment?.where);
  const deeds = [...(segment?.did ?? []).map((one) => deed(one, 'did')), ...(segment?.did_not ?? []).map((one) => deed(one, 'did_not'))];
  const places = { filters: el('div', { class: 'chips' }), deeds: el('ol', { class: 'steps deeds' }) };
  const problem = problemPlace();

  /** Chips of `list`, and a button that adds one. */
  function chips(list, label, draw) {
    const drop = (one) => {
      list.splice(list.indexOf(one), 1);
      draw();
    };
    const take = (property, op, value) => {
      withFilter(list, property, op, value);
      draw();
    };
    return [
      ...list.map((one) => {
        const words = filterWords(one.property, one.op, one.values);
        return el('button', { class: 'pill chip', type: 'button', title: words, onclick: () => drop(one) },
          el('span', { class: 'chip-words' }, shortened(words, 40)), el('span', { class: 'hidden' }, ', remove this filter'), el('span', { 'aria-hidden': 'true' }, ' ✕'));
      }),
      el('button', { class: 'button', type: 'button', 'aria-label': label, onclick: () => chooseFilter(board, take) }, '+ where'),
    ];
  }

  function deedRow(one, at) {
    const number = at + 1;
    const way = el('select', { class: 'field', 'aria-label': `Did or did not, ${number}`, autocomplete: 'off' }, el('option', { value: 'did' }, 'did'), el('option', { value: 'did_not' }, 'did not do'));
    way.value = one.way;
    way.addEventListener('change', () => { one.way = way.value; });
    const event = el('input', { value: one.event, 'aria-label': `Event ${number}`, placeholder: 'any event', maxlength: '200' });
    event.addEventListener('change', () => { one.event = event.value.trim(); });
    const figure = (key, label, more) => {
      const input = el('input', { type: 'number', min: '1', value: one[key], 'aria-label': label, autocomplete: 'off', ...more });
      input.addEventListener('change', () => { one[key] = input.value; });
      return input;
    };
    return el('li', {}, way, event, picker(event, () => eventNames(board)),
      el('span', { class: 'often' }, 'at least ', figure('least', `At least so often, ${number}`, { required: true, max: '1000000' }), ' times, within ', figure('days', `Within so many days, ${number}`, { placeholder: 'all', max: '3660' }), ' days'),
      ...chips(one.filters, `+ where, of event ${number}`, draw),
      el('button', { class: 'button', type: 'button', 'aria-label': `Remove event ${number}`, onclick: () => { deeds.splice(at, 1); draw(); places.deeds.nextSibling.querySelector('button').focus(); } }, '✕'));
  }

  function draw() {
    places.filters.replaceChildren(...chips(filters, '+ where, of any event', draw));
    places.deeds.replaceChildren(...deeds.map(deedRow));
  }

  function add() {
    if (deeds.length >= DEEDS_MOST) return;
    deeds.push(deed({}, 'did'));
    draw();
    places.deeds.lastChild.querySelector('input').focus();
  }

  function keep(event) {
    event.preventDefault();
    const of = (way) => deeds.filter((one) => one.way === way).map(asked);
    const body = { name: name.value, where: whereOf(filters), did: of('did'), did_not: of('did_not') };
    return attempt(problem, async () => {
      await (segment ? send(`${PATH}/${segment.id}`, { method: 'PATCH', body }) : send(PATH, { method: 'POST', body: { ...body, project: board.project } }));
      dialog.close();
      done();
    });
  }

  draw();
  const form = el('form', { onsubmit: keep },
    el('h2', { id: 'segment-title' }, segment ? 'Change a segment' : 'A new segment'),
    el('label', { for: name.id }, 'Name'), name,
    el('h3', {}, 'People who had an event'), places.filters,
    el('h3', {}, 'and who'), places.deeds,
    el('div', {}, el('button', { class: 'button accent', type: 'button', onclick: add }, '+ What they did')),
    el('p', { class: 'sub' }, 'People belong to the segment when all of it fits. “Had an event” is about the time that a page shows; what they did is looked for in all history, or in so many days before the end of that time.'),
    problem,
    el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), el('button', { class: 'button primary' }, 'Keep')));
  const dialog = shown(form, 'segment-title');
  dialog.classList.add('wide');
}

export const deleteSegment = (segment, done) => deleteDialog({
  title: `Delete the segment ${segment.name}?`, body: 'No event is deleted. Saved views and links with this segment stop working.', path: `${PATH}/${segment.id}`, done,
});

const deed = ({ event = '', where = {}, at_least: least = 1, within_days: days = '' }, way) => ({ way, event: event ?? '', filters: filtersOf(where), least: String(least), days: String(days ?? '') });

function asked({ event, filters, least, days }) {
  return { ...(event ? { event } : {}), ...(filters.length ? { where: whereOf(filters) } : {}), at_least: Number(least), ...(days ? { within_days: Number(days) } : {}) };
}

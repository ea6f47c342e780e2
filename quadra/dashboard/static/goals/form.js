// The dialogs that make, change and delete a goal.

import { attempt, deleteDialog, problemPlace, shown } from '../board/dialogs.js';
import { eventNames, properties } from '../board/names.js';
import { picker } from '../board/picker.js';
import { el } from '../shared/elements.js';
import { send } from '../shared/rest.js';

const PATH = '/api/goals';

/** `goal`: the one to change, or null for a new one. `done()` is called once it is kept. */
export function chooseGoal(board, goal, done) {
  const input = (id, value, more = {}) => el('input', { id, value: value ?? '', autocomplete: 'off', maxlength: '200', ...more });
  const name = input('goal-name', goal?.name, { required: true });
  const kind = el('select', { id: 'goal-kind', class: 'field', autocomplete: 'off' }, el('option', { value: 'event' }, 'an event'), el('option', { value: 'page' }, 'a page'));
  kind.value = goal?.page ? 'page' : 'event';
  const what = input('goal-what', goal?.event ?? goal?.page, { required: true, maxlength: '1000' });
  const value = input('goal-value', goal?.value_property, { placeholder: 'none' });
  const currency = input('goal-currency', goal?.currency, { placeholder: 'EUR', pattern: '[A-Za-z]{3}', maxlength: '3' });
  const hint = el('p', { class: 'sub' });
  const label = el('label', { for: what.id });
  const problem = problemPlace();

  function draw() {
    const event = kind.value === 'event';
    label.textContent = event ? 'Event' : 'Page';
    hint.textContent = event ? 'Each event of this name counts.' : 'A path such as /thanks. * stands for anything within one part of it, ** for more.';
  }
  kind.addEventListener('change', draw);
  draw();
  const events = picker(what, async () => (kind.value === 'event' ? eventNames(board) : []));
  const names = picker(value, () => properties(board));

  async function keep(event) {
    event.preventDefault();
    const body = {
      name: name.value, event: kind.value === 'event' ? what.value.trim() : null, page: kind.value === 'page' ? what.value.trim() : null,
      value_property: value.value.trim() || null, currency: currency.value.trim().toUpperCase() || null,
    };
    await attempt(problem, async () => {
      await (goal ? send(`${PATH}/${goal.id}`, { method: 'PATCH', body }) : send(PATH, { method: 'POST', body: { ...body, project: board.project } }));
      dialog.close();
      done();
    });
  }

  const form = el('form', { onsubmit: keep },
    el('h2', { id: 'goal-title' }, goal ? 'Change a goal' : 'A new goal'),
    el('label', { for: name.id }, 'Name'), name,
    el('label', { for: kind.id }, 'Reached by'), kind, label, what, events, hint,
    el('label', { for: value.id }, 'Property of its value'), value, names,
    el('label', { for: currency.id }, 'Currency'), currency, problem,
    el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), el('button', { class: 'button primary' }, 'Keep')));
  const dialog = shown(form, 'goal-title');
}

export const deleteGoal = (goal, done) => deleteDialog({
  title: `Delete the goal ${goal.name}?`, body: 'No event is deleted. You can make the same goal again, and it counts the same.', path: `${PATH}/${goal.id}`, done,
});

// Who is behind a number: a dialog that names people, each a link to what they did.

import { el } from '../shared/elements.js';
import { Refused } from '../shared/rest.js';
import { attempt, problemPlace, shown } from './dialogs.js';
import { Table } from './table.js';
import { number } from './words.js';

const MOST = 1000;

/** `asked`: {lens, params} of a question that names `people`. */
export function peopleBehind(board, title, { lens, params }) {
  const table = new Table('People');
  const said = el('p', { class: 'sub', role: 'status' }, 'Looking…');
  const problem = problemPlace();
  table.element.hidden = table.copy.hidden = true;
  const dialog = shown(el('form', { method: 'dialog' },
    el('div', { class: 'panel-head' }, el('h2', { id: 'people-title' }, title), table.copy), said, problem, table.element,
    el('div', { class: 'choices' }, el('button', { class: 'button primary' }, 'Close'))), 'people-title');
  const gone = new AbortController();
  dialog.addEventListener('close', () => gone.abort());
  attempt(problem, async () => {
    try {
      const { people } = await board.source.ask('people', { lens, params }, gone.signal);
      said.textContent = people.length === MOST ? `The first ${number(MOST)} by id` : `${number(people.length)} ${people.length === 1 ? 'person' : 'people'}`;
      table.element.hidden = table.copy.hidden = people.length === 0;
      table.draw([{ title: 'Person' }], people.map((id) => [{ text: id, href: board.person(id) }]));
    } catch (error) {
      said.textContent = '';
      if (!(error instanceof Refused && gone.signal.aborted)) throw error;
    }
  });
}

/** A number in a table that opens who they are. `people`: how many; of nobody it is a plain one. `about`: what else tells it from others. */
export function peopleCell(board, text, people, open, about = null, title = null) {
  if (board.shared || people === 0) return { text, title };
  return { sort: people, facts: [text, about, title, board.address.kept], make: () => el('button', { class: 'link', type: 'button', title: title ?? 'Who are they?', onclick: open }, text) };
}

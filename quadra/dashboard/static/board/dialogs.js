// Dialogs that keep or delete something over the API, and say in place what was wrong with it.

import { el } from '../shared/elements.js';
import { Refused, send } from '../shared/rest.js';

/** Shows `content` as a modal dialog named by the element with the id `title`. */
export function shown(content, title) {
  const dialog = el('dialog', { class: 'form', 'aria-labelledby': title }, content);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export const problemPlace = () => el('div', { class: 'wrong', role: 'alert' });

/** What the API refuses is said in `problem`, field by field. */
export async function attempt(problem, act) {
  problem.replaceChildren();
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problem.append(el('p', {}, error.message), ...Object.entries(error.fields ?? {}).map(([field, says]) => el('p', {}, el('code', {}, field), `: ${says}`)));
  }
}

/** Asks before `path` is deleted; `done()` is called once it is. */
export function deleteDialog({ title, body, path, done }) {
  const problem = problemPlace();
  const remove = () => attempt(problem, async () => {
    await send(path, { method: 'DELETE' });
    dialog.close();
    done();
  });
  const dialog = shown(el('form', { onsubmit: (event) => event.preventDefault() }, el('h2', { id: 'gone-title' }, title), el('p', {}, body), problem,
    el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), el('button', { class: 'button primary danger', type: 'button', onclick: remove }, 'Delete'))), 'gone-title');
}

// Forgets a person: asks first, says what will go, and then what became of it.

import { el } from '../shared/elements.js';
import { Refused, send } from '../shared/rest.js';
import { href } from '../shared/words.js';

export function eraser(board, user) {
  const said = el('p', { role: 'status' });
  const word = el('input', { id: 'erase-word', autocomplete: 'off', required: true, spellcheck: 'false' });
  const act = el('button', { class: 'button danger', disabled: true }, 'Erase');
  const form = el('form', { method: 'dialog' },
    el('h2', { id: 'erase-title' }, 'Erase everything about this person?'),
    el('p', {}, 'All events of ', el('strong', { class: 'isolated' }, user), ' and of every other id of this person will be deleted from the database and from all segments. You cannot undo this.'),
    el('label', { for: 'erase-word' }, 'Type the id to confirm'), word,
    el('div', { class: 'choices' }, el('button', { class: 'button', type: 'button', onclick: () => dialog.close(), autofocus: true }, 'Cancel'), act));
  const dialog = el('dialog', { class: 'form', 'aria-labelledby': 'erase-title' }, form);
  word.addEventListener('input', () => { act.disabled = word.value !== user; });
  form.addEventListener('submit', async () => {
    said.textContent = 'Asking…';
    try {
      await send(`/api/users/${encodeURIComponent(user)}/data?project=${encodeURIComponent(board.project)}`, { method: 'DELETE' });
      said.replaceChildren('A worker is erasing this person now. ', el('a', { href: href('/pipeline/jobs', board.project) }, 'Follow it'));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      said.textContent = `Nothing was erased. ${error.message}`;
    }
  });
  const button = el('button', { class: 'button', type: 'button', 'aria-haspopup': 'dialog', onclick: () => {
    word.value = '';
    act.disabled = true;
    dialog.showModal();
  } }, 'Erase this person…');
  return el('div', { class: 'erase' }, button, said, dialog);
}

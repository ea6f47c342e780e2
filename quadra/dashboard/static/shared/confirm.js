// Asks before something is done that cannot be taken back: the dialog says what will happen.

import { alike } from './elements.js';

const dialog = document.getElementById('confirm');
// no submit button: Enter in a field of the dialog presses the first of those
document.getElementById('confirm-cancel')?.addEventListener('click', () => dialog.close());

/** Whether the reader said yes. `body` is an array of elements. */
export function confirm({ title, body, act, danger = false }) {
  document.getElementById('confirm-title').textContent = title;
  document.getElementById('confirm-body').replaceChildren(...body);
  const button = document.getElementById('confirm-do');
  button.textContent = act;
  button.classList.toggle('danger', danger);
  const asked = document.activeElement;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      if (!asked.isConnected) alike(asked)[0]?.focus(); // the page was drawn again meanwhile
      resolve(dialog.returnValue === 'do');
    }, { once: true });
  });
}

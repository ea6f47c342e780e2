// Asks before something is done that cannot be taken back: the dialog says what will happen.

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
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'do'), { once: true });
  });
}

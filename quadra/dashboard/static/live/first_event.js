// Shown instead of the board until the project has its first event: how to send one, with copy buttons.

const start = document.getElementById('start');
const board = document.getElementById('board');

export function showStart(show) {
  if (start.hidden === !show && board.hidden === show) return;
  start.hidden = !show;
  board.hidden = show;
}

async function copy(text, source) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  // Plain http on a name other than localhost has no clipboard API; a selection still works.
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand('copy');
}

start.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const done = await copy(source.textContent, source).catch(() => false);
  button.textContent = done ? 'Copied' : 'Press Ctrl+C';
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
});

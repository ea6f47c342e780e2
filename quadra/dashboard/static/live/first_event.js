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

const maker = document.getElementById('make-key');
maker?.addEventListener('click', async () => {
  maker.disabled = true;
  const notice = document.getElementById('key-notice');
  try {
    const answer = await fetch('/api/keys', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': document.querySelector('meta[name="csrf-token"]').content },
      body: JSON.stringify({ project: maker.dataset.project, scope: 'ingest', name: 'made on the live page' }),
    });
    const made = await answer.json();
    if (!answer.ok) throw new Error(made.error.message);
    for (const snippet of start.querySelectorAll('pre code')) {
      snippet.textContent = snippet.textContent.replaceAll('YOUR_WRITE_KEY', made.key);
    }
    notice.textContent = `Your new write key is ${made.key}. Save it now; it is not shown again.`;
  } catch (error) {
    notice.textContent = `The key was not created: ${error.message}`;
  }
});

// What is said where nothing has happened yet: how to send the first such event, ready to be copied.

import { copyButton } from '../shared/copy.js';
import { el } from '../shared/elements.js';

let made = 0;

function copyable(label, code) {
  made += 1;
  const id = `snippet-${made}`;
  const otherwise = () => {
    getSelection().selectAllChildren(document.getElementById(id));
    return 'Selected, now copy it';
  };
  const button = copyButton(() => code, { otherwise, 'aria-describedby': `${id}-label` });
  return el('div', { class: 'snippet' },
    el('div', { class: 'panel-head' }, el('h3', { id: `${id}-label` }, label), button),
    el('pre', { tabindex: '0', 'aria-labelledby': `${id}-label` }, el('code', { id }, code)));
}

/** `event`: the body of the first such event, sent to `path`. */
export function firstEvent(board, sentence, event, path = '/api/events') {
  return () => {
    if (board.shared) return [el('p', {}, 'No data in this period.')];
    const code = `curl ${board.baseUrl}${path} \\\n  -H "X-Quadra-Key: YOUR_WRITE_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${JSON.stringify(event)}'`;
    return [el('p', {}, sentence, ' ', el('a', { href: `/settings/start?project=${encodeURIComponent(board.project)}` }, 'First steps'), ' shows all ways to send events, with your key.'), copyable('Send your first event', code)];
  };
}

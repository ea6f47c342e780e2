// What became of the reader's last order: shown at the edge of the window, and spoken by screen readers.

import { el } from './elements.js';

const DONE_MS = 10_000;
const place = document.getElementById('said');
let timer = null;

function close() {
  place.replaceChildren();
}

/** `parts` are text and links. What failed stays until it is closed. */
export function tell(well, ...parts) {
  clearTimeout(timer);
  const sentence = el('p', {}, ...parts);
  place.replaceChildren(el('div', { class: `notice ${well ? 'good' : 'bad'}` }, sentence, el('button', { class: 'button', type: 'button', onclick: close }, 'Close')));
  if (well) timer = setTimeout(close, DONE_MS);
}

// A button that opens a small box below it. Escape and a click beside it close it; the button says whether it is open.

import { el } from '../shared/elements.js';

let made = 0;

/** `opens()` runs each time before it is shown. */
export function menu(name, content, opens = () => {}) {
  made += 1;
  const id = `menu-${made}`;
  const box = el('div', { class: 'menu-box', id, hidden: true }, ...content);
  const button = el('button', { class: 'pill', type: 'button', 'aria-expanded': 'false', 'aria-controls': id }, `${name} ▾`);
  const element = el('span', { class: 'menu-place' }, button, box);

  function show(open) {
    if (open) opens(box);
    box.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
  }

  button.addEventListener('click', () => show(box.hidden));
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || box.hidden) return;
    event.stopPropagation();
    show(false);
    button.focus();
  });
  document.addEventListener('pointerdown', (event) => {
    if (!box.hidden && !element.contains(event.target)) show(false);
  });
  return element;
}

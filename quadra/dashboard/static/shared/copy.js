// A button that copies a text, and says that it did. Where the page may not write to the clipboard, it says so.

import { el } from './elements.js';

const SAID_MS = 2000;

/** Whether it could be written. */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or not a secure address
  }
}

/** `text()` gives what is copied. `otherwise()` is done where that is not allowed, and says what to do then. */
export function copyButton(text, { words = 'Copy', otherwise = () => 'Not allowed', ...more } = {}) {
  const said = el('span', {}, words);
  const button = el('button', { class: 'button copy', type: 'button', ...more, onclick: async () => {
    said.textContent = await copied(text()) ? 'Copied' : otherwise();
    setTimeout(() => { said.textContent = words; }, SAID_MS);
  } }, said);
  return button;
}

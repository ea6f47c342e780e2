// What the forms of settings do alike: one order at a time, errors beside their fields, and what is shown only once.

import { el } from '../shared/elements.js';
import '../shared/plain_tables.js';

const problem = document.getElementById('problem');
const once = document.getElementById('once');
export const settings = document.getElementById('settings');
export const { project, role, email, baseUrl } = settings.dataset;
/** Whether the reader is an admin of the whole installation. */
export const whole = 'whole' in settings.dataset;

/** Tell what went wrong at the top of the page; null takes it away. */
export function complain(error) {
  problem.hidden = error === null;
  problem.textContent = error?.message ?? '';
}

function clear(form) {
  for (const said of form.querySelectorAll('[data-error]')) said.remove();
  for (const field of form.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.removeAttribute('aria-errormessage');
  }
}

function mark(form, fields) {
  const marked = Object.entries(fields ?? {}).filter(([name]) => form.elements[name]);
  for (const [name, words] of marked) {
    const field = form.elements[name];
    const id = `${form.id}-${name}-error`;
    field.setAttribute('aria-invalid', 'true');
    field.setAttribute('aria-errormessage', id);
    field.after(el('span', { class: 'wrong', id, 'data-error': true }, words));
  }
  if (marked.length > 0) form.elements[marked[0][0]].focus();
}

/** `work(form.elements)` at each submit, one at a time; what is refused is told beside its field. */
export function onSubmit(form, work) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('[type="submit"]');
    if (button.disabled) return;
    button.disabled = true;
    clear(form);
    complain(null);
    try {
      await work(form.elements);
    } catch (error) {
      complain(error);
      mark(form, error.fields);
    } finally {
      button.disabled = false;
    }
  });
}

/** `work` with what it throws told at the top of the page. Whether it was done. */
export async function attempt(work) {
  try {
    await work();
    complain(null);
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

/** Show what nobody can read again, until the reader says that it is kept. */
export function showOnce(title, says, text) {
  document.getElementById('once-title').textContent = title;
  document.getElementById('once-says').textContent = says;
  document.getElementById('once-text').textContent = text;
  document.getElementById('once-copy').textContent = 'Copy';
  once.showModal();
  return new Promise((resolve) => { once.addEventListener('close', resolve, { once: true }); });
}

document.getElementById('once-copy').addEventListener('click', async (event) => {
  const source = document.getElementById('once-text');
  try {
    await navigator.clipboard.writeText(source.textContent);
    event.target.textContent = 'Copied';
  } catch {
    // Plain http on a name other than localhost has no clipboard.
    getSelection().selectAllChildren(source);
    event.target.textContent = 'Press Ctrl+C';
  }
});

/** A session goes on with another token after some orders. */
export function useToken(token) {
  document.querySelector('meta[name="csrf-token"]').content = token;
  for (const field of document.querySelectorAll('input[name="csrf_token"]')) field.value = token;
}

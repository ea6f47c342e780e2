// What a person orders here: asked for with a reason, told how it ended.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { tell } from '../shared/notices.js';
import { send } from '../shared/rest.js';

export const root = document.getElementById('operations');
export const acts = root.hasAttribute('data-acts');
export const admin = root.hasAttribute('data-admin');
export const { project } = root.dataset;

/** The reason that was given; null where the reader turned back. */
export async function askWhy(title, words, act, danger = false) {
  const input = el('input', { name: 'reason', required: true, maxlength: '500', autocomplete: 'off', autofocus: true });
  const body = [el('p', {}, words), el('label', { class: 'reason' }, 'Reason, for the audit log', input)];
  return await confirm({ title, body, act, danger }) ? input.value.trim() || null : null;
}

/** Whether it was done. */
export async function order(path, body, done) {
  try {
    const answer = await send(path, { method: 'POST', body });
    tell(true, done(answer));
    return true;
  } catch (error) {
    tell(false, `Nothing was changed. ${error.message}`);
    return false;
  }
}

export const cell = (label, className, ...children) => el('td', { 'data-label': label, class: className }, ...children);

export const button = (words, label, onclick) => el('button', { class: 'button', type: 'button', 'aria-label': label, onclick }, words);

const SVG = 'http://www.w3.org/2000/svg';

/** A drawing: `svg('rect', {x: 1})`. */
export function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

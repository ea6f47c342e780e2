// The failed attempts of a job, oldest first, as its history keeps them.

import { el } from '../shared/elements.js';
import { age, things, when } from '../shared/words.js';

function attempt({ attempt: number, at, worker, error_type: type, message, traceback, seconds }) {
  const facts = el('p', { class: 'sub' }, `Attempt ${number ?? '?'} · `, when(at), typeof seconds === 'number' ? ` · ran ${age(seconds)}` : null, worker ? ` · on ${worker}` : null);
  const trace = traceback
    ? el('details', { class: 'fold' }, el('summary', {}, 'Traceback'), el('pre', { tabindex: 0 }, traceback))
    : null;
  return el('li', {}, facts, el('p', { class: 'wrong' }, el('strong', {}, type ?? 'Error'), message ? `: ${message}` : null), trace);
}

/** A folded history; null where there is none. */
export function history(entries, open = false) {
  if (!entries?.length) return null;
  return el('details', { class: 'fold history', open }, el('summary', {}, `${things(entries.length, 'failed attempt')}`), el('ol', {}, ...entries.map(attempt)));
}

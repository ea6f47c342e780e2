// What keys do on a page with a bar: choose the time, move it, open the filter, list themselves.

import { el } from '../shared/elements.js';
import { moved, wallClock } from './range.js';

const DAYS = { d: ['1', 'Today'], w: ['7', 'Last 7 days'], m: ['30', 'Last 30 days'], y: ['365', 'Last 365 days'] };
const HELP = [...Object.entries(DAYS).map(([key, [, words]]) => [key.toUpperCase(), words]), ['← →', 'The time before, the time after'], ['in a chart', '← → read it, with Shift they choose periods, Enter shows these'], ['/', 'Add a filter'], ['?', 'These keys']];

export function listenToKeys(board) {
  const { address } = board;

  function move(way) {
    const { first, last, days } = board.range;
    const [today] = wallClock(board.timezone);
    if (way > 0 && last >= today) return;
    const by = way * days;
    address.change({ range: null, days: null, from: moved(first, by), to: moved(last, by) });
  }

  function act(key) {
    const [days] = DAYS[key.toLowerCase()] ?? [];
    if (key === '?') showKeys();
    else if (key === '/' && board.bar.filters) document.querySelector('[data-filter]').click();
    else if (!board.bar.ranged) return false;
    else if (days) address.change({ range: null, days, from: null, to: null });
    else if (key === 'ArrowLeft' || key === 'ArrowRight') move(key === 'ArrowLeft' ? -1 : 1);
    else return false;
    return true;
  }

  document.addEventListener('keydown', (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector('dialog[open]')) return;
    if (target.matches('input, select, textarea, [contenteditable]') || (key.startsWith('Arrow') && target.closest('.scroll, .chart, nav'))) return;
    if (act(key)) event.preventDefault();
  });
}

function showKeys() {
  const dialog = el('dialog', { class: 'form', 'aria-labelledby': 'keys-title' },
    el('h2', { id: 'keys-title' }, 'Keys'),
    el('dl', { class: 'facts' }, ...HELP.map(([key, words]) => el('div', {}, el('dt', {}, el('kbd', {}, key)), el('dd', {}, words)))),
    el('div', { class: 'choices' }, el('button', { class: 'button primary', type: 'button', onclick: () => dialog.close() }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

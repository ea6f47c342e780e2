// Saved views: this page as it is now under a name, the views that were saved before, and links that show one to people
// without an account.

import { el } from '../shared/elements.js';
import { Refused, send } from '../shared/rest.js';
import { menu } from './menu.js';
import { moment } from '../shared/format.js';
import { shortened } from './words.js';

const PATH = '/api/saved-views';
const order = (path, method, body) => send(path, { method, body });

export function savedViews(board) {
  const list = el('ul', { class: 'views' });
  const problem = el('p', { class: 'wrong', role: 'alert' });
  const name = el('input', { 'aria-label': 'Name of the view', placeholder: 'Name', required: true, maxlength: '200', autocomplete: 'off' });
  const form = board.acts ? el('form', { class: 'save-view' }, name, el('button', { class: 'button primary' }, 'Save this view')) : null;

  async function attempt(act) {
    problem.textContent = '';
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = `${error.message} ${Object.values(error.fields ?? {}).join('; ')}`.trim();
    }
  }

  async function load() {
    const { saved_views: views } = await send(`${PATH}?project=${encodeURIComponent(board.project)}`, {});
    list.replaceChildren(...views.map((view) => row(board, view, attempt, load)));
    if (views.length === 0) list.append(el('li', { class: 'sub' }, 'No saved views yet.'));
  }

  form?.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(async () => {
      const params = { ...fixed(board), timezone: board.timezone };
      await order(PATH, 'POST', { project: board.project, name: name.value, page: board.page, params, questions: kept(board) });
      name.value = '';
      await load();
    });
  });
  return menu('Save & share', [form, el('h3', {}, 'Saved views'), list, problem].filter(Boolean), () => attempt(load));
}

/** A time that has a name is kept as its days: the questions are. */
function fixed(board) {
  const { range, ...kept } = board.address.kept;
  return board.range.name ? { ...kept, from: board.range.first, to: board.range.last } : board.address.kept;
}

/** A range that moves with the days has no fixed time before it, so a view of one is kept without the comparison. */
function kept(board) {
  const all = Object.entries(board.asked());
  if (board.range.preset === null) return Object.fromEntries(all);
  return Object.fromEntries(all.filter(([key]) => !key.endsWith('-before')).map(([key, { lens, params }]) => [key, { lens, params: moving(params) }]));
}

function moving({ compare_from: from, compare_to: to, ...params }) {
  return from && to ? { ...params, compare: 'before' } : params;
}

function row(board, view, attempt, load) {
  const query = new URLSearchParams({ project: board.project });
  for (const [key, value] of Object.entries(view.params)) for (const one of [value].flat()) if (key !== 'timezone') query.append(key, one);
  const link = el('input', { class: 'share-link', readonly: true, 'aria-label': `Share link for ${view.name}`, hidden: true });
  const button = (text, act, says) => el('button', { class: 'button', type: 'button', 'aria-label': `${says} ${view.name}`, onclick: () => attempt(act) }, text);
  const share = async () => {
    const { url } = await order(`${PATH}/${view.id}/share`, 'POST');
    link.value = new URL(url, location.href).href;
    link.hidden = false;
    link.select();
    await navigator.clipboard?.writeText(link.value).catch(() => {});
  };
  const unshare = async () => {
    await order(`${PATH}/${view.id}/share`, 'DELETE');
    await load();
  };
  const remove = async () => {
    await order(`${PATH}/${view.id}`, 'DELETE');
    await load();
  };
  return el('li', {},
    el('a', { href: `/${view.page}?${query}`, title: `${view.name}, saved ${moment(Date.parse(view.created_at))}` }, shortened(view.name, 40)),
    board.acts ? el('span', { class: 'choices' },
      button(view.share ? 'New link' : 'Share', share, 'Create a share link for'),
      view.share ? button('Stop sharing', unshare, 'Revoke the share link of') : null,
      button('Delete', remove, 'Delete the view')) : null,
    link);
}

// Keys of a project: made and shown once, revoked after a question.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { acts, button, cell, head, show, when } from './cells.js';
import { attempt, onSubmit, project, showOnce } from './forms.js';

const SCOPES = { ingest: 'write', read: 'read', admin: 'admin' };
const form = document.getElementById('make');

async function revoke(key) {
  const body = [el('p', {}, `Whatever uses ${key.prefix}… is refused within seconds. A revoked key cannot be taken back.`)];
  if (!await confirm({ title: `Revoke ${key.name || key.prefix}?`, body, act: 'Revoke it', danger: true })) return;
  await attempt(async () => {
    await send(`/api/keys/${key.id}`, { method: 'DELETE' });
    tell(true, `${key.prefix}… is revoked.`);
    await look();
  });
}

function row(key) {
  const name = key.name || '—';
  const last = key.revoked_at ? el('td', { class: 'act' }, 'revoked') : acts(button('Revoke', `Revoke ${key.name || key.prefix}`, () => revoke(key)));
  return el('tr', {}, head(name), cell('Begins with', el('code', {}, `${key.prefix}…`)), cell('Scope', SCOPES[key.scope]),
    cell('Pages', key.origins.length > 0 ? key.origins.join(', ') : 'any'), when('Made', key.created_at), when('Last used', key.last_used_at), last);
}

async function look() {
  const { keys } = await ask('/api/keys', { project });
  show(keys.map(row), 7, 'This project has no keys.');
}

onSubmit(form, async ({ name, scope, origins }) => {
  const pages = origins.value.split(/[\s,]+/).filter(Boolean);
  const made = await send('/api/keys', { method: 'POST', body: { project, scope: scope.value, name: name.value, origins: pages } });
  form.reset();
  await showOnce('The key', 'It is shown only now. Keep it where your program reads it.', made.key);
  await look();
});

attempt(look);

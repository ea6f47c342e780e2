// Channels of a project: made, tried out, deleted. The secret of a webhook is shown once.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { acts, button, cell, head, show, when } from './cells.js';
import { attempt, onSubmit, project, role, showOnce } from './forms.js';

const KINDS = { email: 'e-mail', slack: 'Slack', webhook: 'webhook' };
const form = document.getElementById('make');

async function test(channel) {
  await attempt(async () => {
    const told = await send(`/api/channels/${channel.id}/test`, { method: 'POST' });
    tell(told.ok, `${channel.name}: ${told.answer}`);
  });
}

async function remove(channel) {
  const body = [el('p', {}, 'Messages that wait for it are not sent any more.')];
  if (!await confirm({ title: `Delete ${channel.name}?`, body, act: 'Delete it', danger: true })) return;
  await attempt(async () => {
    await send(`/api/channels/${channel.id}`, { method: 'DELETE' });
    await look();
  });
}

function row(channel) {
  const buttons = role === 'viewer' ? el('td', { class: 'act' }) : acts(el('div', { class: 'choices' },
    button('Test', `Test ${channel.name}`, () => test(channel)), button('Delete', `Delete ${channel.name}`, () => remove(channel))));
  return el('tr', {}, head(channel.name), cell('Kind', KINDS[channel.kind]), cell('Address', channel.target), when('Made', channel.created_at), buttons);
}

async function look() {
  const { channels } = await ask('/api/channels', { project });
  show(channels.map(row), 5, 'This project has no channels.');
}

if (form) {
  onSubmit(form, async ({ kind, target, name }) => {
    const made = await send('/api/channels', { method: 'POST', body: { project, kind: kind.value, target: target.value, name: name.value || null } });
    form.reset();
    if (made.secret) await showOnce('The secret of the webhook', 'It signs every message (X-Quadra-Signature). It is shown only now.', made.secret);
    await look();
  });
}

attempt(look);

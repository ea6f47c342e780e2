// What is kept and what goes: retention, looked at before it takes anything; exports; erasure requests with their state.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { bytes, count } from '../shared/format.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { things } from '../shared/words.js';
import { acts, button, cell, head, show, when } from './cells.js';
import { attempt, onSubmit, project } from './forms.js';

const EVERY_MS = 2000;
const DAY_MS = 86_400_000;
const WORDS = { waiting: 'waits for a worker', running: 'a worker is at it', failed: 'failed: see the dead letters', done: 'done', stopped: 'stopped by a person' };
const EXPORT_WORDS = { waiting: 'waits for a worker', running: 'a worker makes it', failed: 'failed', done: 'done', stopped: 'stopped by a person', erased: 'gone: a person was erased' };
const form = document.getElementById('export');
const open = { erasures: false, exports: false };
let listed = null;

const goes = ({ days, kept_from: from, events, oldest }) => (events === 0
  ? `With ${things(days, 'day')} nothing goes: no event is older than ${from}.`
  : `With ${things(days, 'day')}, ${things(events, 'event')} from ${oldest} until before ${from} (UTC) would go, for good.`);

async function lookAtRetention() {
  const found = await ask('/api/retention', { project });
  document.getElementById('kept').textContent = found.retention_days === null ? 'For ever.' : `${things(found.retention_days, 'day')}. ${goes(found)}`;
}

async function lookAtErasures() {
  const { erasures } = await ask('/api/erasures', { project });
  open.erasures = erasures.some((one) => one.state === 'waiting' || one.state === 'running');
  show(erasures.map((one) => el('tr', {}, head(one.user_id), cell('State', WORDS[one.state]), when('Asked for', one.requested_at), when('Done', one.done_at, 'not yet'), cell('Rows', count(one.rows)))), 5, 'None. Nobody asked to be forgotten.');
}

onSubmit(document.getElementById('retention'), async ({ days }) => {
  document.getElementById('goes').textContent = goes(await ask('/api/retention', { project, days: days.value }));
});

onSubmit(document.getElementById('erase'), async ({ user_id: id }) => {
  const user = id.value;
  const body = [el('p', {}, 'All events of ', el('strong', {}, user), ' and of every other id of this person are deleted, from the database and from all files. You cannot undo this.')];
  if (!await confirm({ title: 'Erase this person?', body, act: 'Erase', danger: true })) return;
  await send(`/api/users/${encodeURIComponent(user)}/data?project=${encodeURIComponent(project)}`, { method: 'DELETE' });
  document.getElementById('erase').reset();
  tell(true, 'A worker erases this person now.');
  await lookAtErasures();
});

/** What the form asks for, as an address or a body says it. */
function asked(named) {
  const { from, to, format, kind, event, property, value } = form.elements;
  const plain = { project, from: from.value, to: to.value, format: format.value, kind: kind.value, event: event.value.trim() };
  const given = Object.fromEntries(Object.entries(plain).filter(([, text]) => text !== ''));
  const name = property.value.trim();
  return name === '' ? given : { ...given, ...named(name, value.value) };
}

function stateOf(one) {
  const part = one.state === 'running' && one.progress !== null ? `: ${Math.floor(one.progress * 100)} %` : '';
  return [EXPORT_WORDS[one.state] + part, one.error && el('span', { class: 'sub' }, `. ${one.error}`)];
}

async function deleteExport(one) {
  const working = one.state === 'waiting' || one.state === 'running';
  const body = [el('p', {}, working ? 'The worker stops, and nothing of the file is kept.' : 'The file goes. It can be asked for again.')];
  const title = working ? `Cancel ${one.name}?` : `Delete ${one.name}?`;
  if (!await confirm({ title, body, act: working ? 'Stop it' : 'Delete it', danger: true })) return;
  await attempt(async () => {
    await send(`/api/exports/${one.id}`, { method: 'DELETE' });
    await lookAtExports();
  });
}

function exportRow(one) {
  const working = one.state === 'waiting' || one.state === 'running';
  const deeds = [button(working ? 'Cancel' : 'Delete', `${working ? 'Cancel' : 'Delete'} ${one.name}`, () => deleteExport(one))];
  if (one.state === 'done') deeds.unshift(el('a', { class: 'button', href: `/api/exports/${one.id}/file`, download: one.name, 'aria-label': `Download ${one.name}` }, 'Download'));
  const filters = Object.entries(one.asked).filter(([name]) => !['from', 'to', 'format'].includes(name)).map(([name, values]) => `${name}: ${values.join(' or ')}`);
  return el('tr', {}, head(one.name, filters.length > 0 && el('span', { class: 'sub' }, ` ${filters.join(', ')}`)), el('td', { 'data-label': 'State', class: one.error ? 'wide' : null }, ...stateOf(one).filter(Boolean)), cell('Size', one.bytes > 0 ? bytes(one.bytes) : '—'),
    when('Asked for', one.created_at), cell('By', one.created_by), one.state === 'done' ? when('Kept until', one.kept_until) : cell('Kept until', '—'), acts(el('div', { class: 'choices' }, ...deeds)));
}

/** Drawn anew only when something changed: who is at a button with the keyboard stays there. */
async function lookAtExports() {
  const { exports } = await ask('/api/exports', { project });
  open.exports = exports.some((one) => one.state === 'waiting' || one.state === 'running');
  const now = JSON.stringify(exports);
  if (now === listed) return;
  listed = now;
  const focused = document.activeElement?.getAttribute('aria-label');
  show(exports.map(exportRow), 7, 'None. Nobody asked for a file lately.', 'exports');
  if (focused) document.getElementById('exports').querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

onSubmit(form, async () => {
  await send('/api/exports', { method: 'POST', body: asked((name, value) => ({ where: { [name]: value } })) });
  tell(true, 'A worker makes the file now.');
  await lookAtExports();
});

document.getElementById('now').addEventListener('click', () => {
  if (!form.reportValidity()) return;
  location.assign(`/api/analytics/export?${new URLSearchParams(asked((name, value) => ({ [`where[${name}]`]: value })))}`);
});

const day = (ms) => new Date(ms).toISOString().slice(0, 10);
form.elements.from.value = day(Date.now() - 30 * DAY_MS);
form.elements.to.value = day(Date.now());
attempt(lookAtRetention);
attempt(lookAtErasures);
attempt(lookAtExports);
setInterval(() => {
  if (document.hidden) return;
  if (open.erasures) attempt(lookAtErasures);
  if (open.exports || open.erasures) attempt(lookAtExports);
}, EVERY_MS);

// What is kept and what goes: retention, looked at before it takes anything; exports; erasure requests with their state.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { things } from '../shared/words.js';
import { cell, head, show, when } from './cells.js';
import { attempt, onSubmit, project } from './forms.js';

const EVERY_MS = 5000;
const DAY_MS = 86_400_000;
const WORDS = { waiting: 'waits for a worker', running: 'a worker is at it', failed: 'failed: see the dead letters', done: 'done', stopped: 'stopped by a person' };
const form = document.getElementById('export');
let open = false;

const goes = ({ days, kept_from: from, events, oldest }) => (events === 0
  ? `With ${things(days, 'day')} nothing goes: no event is older than ${from}.`
  : `With ${things(days, 'day')}, ${things(events, 'event')} from ${oldest} until before ${from} (UTC) would go, for good.`);

async function lookAtRetention() {
  const found = await ask('/api/retention', { project });
  document.getElementById('kept').textContent = found.retention_days === null ? 'For ever.' : `${things(found.retention_days, 'day')}. ${goes(found)}`;
}

async function lookAtErasures() {
  const { erasures } = await ask('/api/erasures', { project });
  open = erasures.some((one) => one.state === 'waiting' || one.state === 'running');
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

const day = (ms) => new Date(ms).toISOString().slice(0, 10);
form.elements.from.value = day(Date.now() - 30 * DAY_MS);
form.elements.to.value = day(Date.now());
attempt(lookAtRetention);
attempt(lookAtErasures);
setInterval(() => { if (open && !document.hidden) attempt(lookAtErasures); }, EVERY_MS);

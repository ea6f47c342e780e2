// The first steps of an installation. What is done is asked of the server, never remembered here.

import { copyButton } from '../shared/copy.js';
import { ask, send } from '../shared/rest.js';
import { attempt, baseUrl, onSubmit, project, settings, whole } from './forms.js';
import { SNIPPETS } from './snippets.js';

const EVERY_MS = 5000;
const form = document.getElementById('way');
const snippet = document.getElementById('snippet');
const place = document.getElementById('where');
const select = form.elements.framework;
let key = 'YOUR_WRITE_KEY';

for (const [value, { title }] of Object.entries(SNIPPETS)) select.add(new Option(title, value));

function draw() {
  const { where, code } = SNIPPETS[select.value];
  snippet.textContent = code(baseUrl, key);
  place.textContent = where;
}

function tick(step, done) {
  const item = document.querySelector(`[data-step="${step}"]`);
  item.classList.toggle('done', done);
  item.querySelector('.tick').textContent = done ? '✓' : '○';
  item.querySelector('[data-state]').textContent = done ? 'done' : 'not done yet';
}

async function unlessMissing(work) {
  try {
    return await work;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

async function lookAtEvents() {
  const { events } = await ask('/api/analytics/stats', { project });
  tick('send', events.total > 0);
  tick('see', events.total > 0);
}

async function lookAtInstallation() {
  const [{ users }, { backups }, alerts] = await Promise.all([
    ask('/api/users'), ask('/api/disaster-recovery/backups'), unlessMissing(ask('/api/alerts', { project }))]);
  tick('invite', users.filter((user) => !user.disabled).length > 1);
  tick('backup', backups.length > 0);
  document.querySelector('[data-step="alert"]').hidden = alerts === null;
  tick('alert', (alerts?.alerts ?? []).length > 0);
}

async function look() {
  if (document.hidden) return;
  await attempt(async () => {
    await lookAtEvents();
    if (whole) await lookAtInstallation();
  });
}

form.append(copyButton(() => snippet.textContent, { 'aria-label': 'Copy the code' }));
select.addEventListener('change', draw);
onSubmit(form, async () => {
  const body = { project, scope: 'ingest', name: `first steps, ${SNIPPETS[select.value].title}` };
  key = (await send('/api/keys', { method: 'POST', body })).key;
  draw();
});

draw();
settings.classList.remove('waits');
look();
setInterval(look, EVERY_MS);
document.addEventListener('visibilitychange', look);

// The page of releases: asks for the history, and again whenever the live line says that something happened.

import { confirm } from '../shared/confirm.js';
import { el, fill } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { openLine } from '../shared/live_line.js';
import { tell } from '../shared/notices.js';
import '../shared/plain_tables.js';
import { ask, send } from '../shared/rest.js';
import { actRow, deploymentRow, nothingDeployed } from './rows.js';

const SHOWN = 50;
const root = document.getElementById('releases');
const problem = document.getElementById('problem');
const form = document.getElementById('deploy');
let turn = 0;

function number(name, value, below) {
  fill(document.querySelector(`[data-number="${name}"]`), value, () => value);
  fill(document.querySelector(`[data-aside="${name}"]`), below, () => below);
}

function rows(name, found, row, nothing) {
  const table = document.getElementById(name);
  table.hidden = found.length === 0;
  fill(table.tBodies[0], found.slice(0, SHOWN), () => found.slice(0, SHOWN).map(row));
  fill(document.getElementById(`${name}-nothing`), found.length === 0, () => (found.length === 0 ? nothing() : []));
}

function draw({ release, releases, watcher_pid: watcher, deployments, acts }) {
  const running = deployments.find((one) => one.status === 'running');
  const failed = deployments.filter((one) => one.status === 'failed' || one.status === 'rolled_back').length;
  const watched = watcher === null ? 'nobody watches' : `watched by process ${watcher}`;
  number('release', release ?? '—', running ? `${running.release} is being deployed` : watched);
  number('deployments', count(deployments.length), failed ? `${count(failed)} of them failed or were rolled back` : deployments.length ? 'none failed' : 'none yet');
  const lost = acts.filter((one) => one.outcome === 'failed' || one.outcome === 'given_up').length;
  number('acts', count(acts.length), lost ? `${count(lost)} did not help` : acts.length ? 'all of them helped' : 'nothing was wrong');
  form.hidden = releases.length === 0 || watcher === null;
  form.querySelector('button').disabled = Boolean(running);
  const chosen = form.elements.release.value;
  fill(form.elements.release, releases, () => releases.map((name) => el('option', { value: name, selected: name === chosen }, name)));
  rows('deployments', deployments, deploymentRow, () => nothingDeployed(releases, watcher));
  document.getElementById('watched').hidden = false; // not before: what stands above it grows, and moves nothing
  rows('acts', acts, actRow, () => el('p', { class: 'nothing' }, 'Nothing. Every process ran, and answered well and in time.'));
  document.getElementById('numbers').removeAttribute('aria-busy');
}

async function look() {
  turn += 1;
  const mine = turn;
  try {
    const found = await ask('/api/deployment/history');
    if (mine !== turn) return;
    problem.hidden = true;
    draw(found);
  } catch (error) {
    if (mine !== turn) return;
    problem.replaceChildren(el('span', {}, error.message));
    problem.hidden = false;
  }
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const release = form.elements.release.value;
  const body = [el('p', {}, 'The watcher starts it beside the release in use, and changes over when it has passed every gate. No request is lost.')];
  if (!await confirm({ title: `Deploy ${release}?`, body, act: 'Deploy it' })) return;
  try {
    await send('/api/deployment/trigger', { method: 'POST', body: { image_tag: release } });
    tell(true, `${release} is being deployed.`);
  } catch (error) {
    tell(false, `Nothing was started. ${error.message}`);
  }
  await look();
});

look();
openLine(root.dataset.project, { onDeployment: look }, look);
document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });

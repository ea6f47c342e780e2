// The page of recovery: asks every few seconds how backups and replicas are, and fills its places.

import { el, fill } from '../shared/elements.js';
import '../shared/plain_tables.js';
import { ask } from '../shared/rest.js';
import { age } from '../shared/words.js';
import { makeBackups } from './backups.js';
import { points } from './points.js';
import { replicas, replicasInShort } from './replicas.js';
import { verdict } from './words.js';

const ROOT = '/api/disaster-recovery';
const EVERY_MS = 5_000;
const root = document.getElementById('recovery');
const problem = document.getElementById('problem');
const backups = makeBackups({ project: root.dataset.project, again: () => look() });

const place = (name) => document.querySelector(`[data-number="${name}"]`);
const aside = (name) => document.querySelector(`[data-aside="${name}"]`);

function number(name, facts, value, below) {
  fill(place(name), facts, () => value);
  fill(aside(name), facts, () => below);
}

/** A 503 of these doors carries its answer all the same: it says what is wrong. */
async function health() {
  const answer = await fetch(`${ROOT}/health/backups`);
  return answer.status === 200 || answer.status === 503 ? answer.json() : null;
}

function numbers(found, young, status) {
  const newest = young?.most_recent_backup;
  const hours = newest ? age(newest.age_hours * 3600) : '—';
  number('newest', [young?.status, hours], hours, young ? verdict(young.status, newest ? (young.status === 'healthy' ? 'old: recent enough' : 'old: too old') : 'none yet') : '');
  const at = found.backups.filter((one) => one.verified_by === 'restore').map((one) => one.verified_at).sort().at(-1);
  const since = at ? age((Date.now() - Date.parse(at)) / 1000) : '—';
  number('verified', [since], since, at ? verdict('healthy', 'ago') : verdict('degraded', 'never'));
  const [count, told] = replicasInShort(status);
  number('replicas', [status.overall_status, count], count, told);
}

let turn = 0;

async function look() {
  turn += 1;
  const mine = turn;
  try {
    const [found, young, moments, status] = await Promise.all([
      ask(`${ROOT}/backups`), health(), ask(`${ROOT}/recovery-points`), ask(`${ROOT}/replication/status`),
    ]);
    const jobs = await Promise.all(['backup.take', 'backup.verify'].map((kind) => ask('/api/admin/jobs', { kind, limit: '20' })));
    if (mine !== turn) return;
    problem.hidden = true;
    numbers(found, young, status);
    backups.draw(found, jobs.flatMap((page) => page.jobs));
    fill(document.getElementById('points'), moments, () => points(moments));
    fill(document.getElementById('replicas'), { ...status, timestamp: null, lsn: null }, () => replicas(status));
    document.getElementById('numbers').removeAttribute('aria-busy');
    // shown when all of it is there: parts that fill up one by one move what is below them
    document.getElementById('waiting')?.remove();
    root.hidden = false;
  } catch (error) {
    if (mine !== turn) return;
    problem.replaceChildren(el('span', {}, error.message));
    problem.hidden = false;
  }
}

async function forever() {
  if (!document.hidden) await look();
  setTimeout(forever, EVERY_MS);
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
forever();

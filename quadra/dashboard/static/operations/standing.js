// Workers, and how each kind of job stands.

import { el, fill } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { ask } from '../shared/rest.js';
import { age, state, things, when } from '../shared/words.js';
import { acts, askWhy, button, cell, order, svg } from './deeds.js';

const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);

function workerRow(worker, beat) {
  const late = worker.heartbeat_age_seconds > 3 * beat;
  const held = worker.jobs.map((job) => el('li', {}, el('strong', {}, job.kind), ' since ', when(job.started_at)));
  return el('tr', {}, el('th', { scope: 'row', class: 'wide', title: worker.name }, worker.name.split(':').slice(0, 2).join(', process ')),
    cell('Last heartbeat', late ? 'wrong' : null, `${age(worker.heartbeat_age_seconds)} ago${late ? ', late' : ''}`), cell('Since', null, when(worker.started_at)),
    cell('Threads', 'n', count(worker.threads)), cell('Works on', null, held.length > 0 ? el('ul', { class: 'plain' }, ...held) : 'nothing just now'));
}

/** The last hour as bars, and as words. */
function lately({ done, failed }) {
  const most = Math.max(1, ...done);
  const bars = done.map((number, at) => svg('rect', { x: at * 10 + 1, width: 8, y: 20 - (number / most) * 20, height: (number / most) * 20 }));
  const words = `${things(sum(done), 'job')}${sum(failed) > 0 ? `, ${count(sum(failed))} given up` : ''}`;
  return [svg('svg', { viewBox: `0 0 ${done.length * 10} 20`, class: 'beats', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, ...bars), ` ${words}`];
}

async function pause({ kind }, again) {
  const reason = await askWhy(`Pause ${kind}?`, 'No worker claims another job of this kind until somebody resumes it. What runs goes on; what waits stays.', 'Pause it');
  if (reason && await order(`/api/admin/kinds/${encodeURIComponent(kind)}/pause`, { reason }, () => `${kind} is paused.`)) again();
}

async function resume({ kind }, again) {
  const reason = await askWhy(`Resume ${kind}?`, 'Workers claim what waits at once.', 'Resume it');
  if (reason && await order(`/api/admin/kinds/${encodeURIComponent(kind)}/resume`, { reason }, () => `${kind} is claimed again.`)) again();
}

function kindRow(one, again) {
  const standing = one.paused
    ? [el('strong', {}, 'paused'), ' since ', when(one.paused.at), one.paused.by ? ` by ${one.paused.by}` : null, `: ${one.paused.reason}`]
    : [one.running > 0 ? state('RUNNING') : 'open'];
  const change = one.paused ? button('Resume', `Resume ${one.kind}`, () => resume(one, again)) : button('Pause', `Pause ${one.kind}`, () => pause(one, again));
  return el('tr', {}, el('th', { scope: 'row' }, one.kind), cell('Due', 'n', count(one.due)), cell('Later', 'n', count(one.later)), cell('Running', 'n', count(one.running)),
    cell('Dead', one.dead > 0 ? 'n wrong' : 'n', count(one.dead)), cell('Done in the last hour', null, ...lately(one)), cell('State', null, ...standing.filter(Boolean)),
    acts ? el('td', { class: 'act' }, change) : null);
}

/** The kinds that there are. */
export async function lookAtStanding(again) {
  const [{ workers, heartbeat_seconds: beat }, { kinds }] = await Promise.all([ask('/api/admin/workers'), ask('/api/admin/kinds')]);
  const empty = (columns, words) => el('tr', {}, el('td', { colspan: columns, class: 'nothing full' }, words));
  fill(document.getElementById('workers'), workers, () => (workers.length > 0
    ? workers.map((worker) => workerRow(worker, beat)) : [empty(5, 'None. Start one with `quadra worker`: until then every job waits.')]));
  fill(document.getElementById('kinds'), kinds, () => (kinds.length > 0
    ? kinds.map((one) => kindRow(one, again)) : [empty(8, 'No worker is alive and no job was made.')]));
  return kinds.map((one) => one.kind);
}

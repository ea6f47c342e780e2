// The list of backups, what is under way, and the two orders an admin can give. Both are asked about first.

import { bytes, count } from '../shared/format.js';
import { confirm } from '../shared/confirm.js';
import { el, fill } from '../shared/elements.js';
import { send } from '../shared/rest.js';
import { tell } from '../shared/notices.js';
import { age, href, when } from '../shared/words.js';
import { command, verdict } from './words.js';

const PATH = '/api/disaster-recovery/backups';
const UNFINISHED = new Set(['PENDING', 'RUNNING']);
const KINDS = { full: 'full', database: 'database only', models: 'models only', base: 'base (PostgreSQL)' };

export function makeBackups({ project, again }) {
  const table = document.getElementById('backups');
  const nothing = document.getElementById('backups-nothing');
  const form = document.getElementById('take');
  const busy = document.getElementById('under-way');

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const kind = form.elements.kind.value;
    const body = [el('p', {}, 'A worker creates it and copies it to every configured store. Quadra keeps running; the disk and the database are busier during the backup.')];
    if (!await confirm({ title: `Take a backup (${kind})?`, body, act: 'Take it' })) return;
    await order(PATH, { kind }, `A worker is taking a backup (${kind}). It appears here when it is complete.`);
  });

  async function verify(backup) {
    const trial = backup.kind === 'base' ? 'reads the whole backup and compares its hash' : 'restores the backup into a temporary database and counts the rows';
    const body = [el('p', {}, `A worker ${trial}. Nothing else changes.`)];
    if (!await confirm({ title: `Verify ${backup.id}?`, body, act: 'Verify it' })) return;
    await order(`${PATH}/${encodeURIComponent(backup.id)}/verify`, {}, `A worker verifies ${backup.id}.`);
  }

  async function order(path, body, done) {
    try {
      await send(path, { method: 'POST', body });
      tell(true, done);
    } catch (error) {
      tell(false, error.status === 409 ? 'A similar job is already running.' : `Nothing was started. ${error.message}`);
    }
    await again();
  }

  function row(backup) {
    const cell = (label, className, ...children) => el('td', { 'data-label': label, class: className }, ...children);
    const seconds = (Date.now() - Date.parse(backup.created_at)) / 1000;
    const verified = backup.verified_at ? [verdict('healthy', backup.verified_by === 'restore' ? 'restored' : 'read'), ' ', when(backup.verified_at)] : [verdict('degraded', 'never')];
    return el('tr', {},
      el('th', { scope: 'row', title: backup.id }, when(backup.created_at), el('span', { class: 'sub' }, ` ${age(seconds)} ago`)),
      cell('Kind', null, backup.kind),
      cell('Size', 'n', bytes(backup.bytes)),
      cell('Rows', 'n', backup.rows === null || backup.rows === undefined ? '—' : count(backup.rows)),
      cell('Places', 'n', count(backup.stores ?? 1)),
      cell('Verified', null, ...verified),
      el('td', { class: 'act' }, el('button', { class: 'button', type: 'button', 'aria-label': `Verify the ${backup.kind} backup of ${backup.created_at}`, onclick: () => verify(backup) }, 'Verify')));
  }

  function underWay(jobs) {
    const what = (job) => (job.kind === 'backup.take' ? 'taking a backup' : 'verifying a backup');
    const lines = jobs.filter((job) => UNFINISHED.has(job.status)).map((job) => el('p', { class: 'notice' }, job.status === 'RUNNING' ? `A worker is ${what(job)}, since ` : `A worker will soon be ${what(job)}; asked for `, when(job.started_at ?? job.created_at), '.', job.last_error ? ` It failed before: ${job.last_error}` : ''));
    const newest = [...jobs].sort((a, b) => a.created_at.localeCompare(b.created_at)).at(-1);
    if (newest?.status === 'FAILED') {
      lines.push(el('p', { class: 'notice bad' }, el('strong', {}, `${newest.kind === 'backup.take' ? 'The last backup' : 'The last verification'} failed. `), newest.last_error ?? '', ' ', el('a', { href: href('/pipeline/dead-letters', project) }, 'Its job')));
    }
    return lines;
  }

  function empty() {
    return el('div', { class: 'nothing' },
      el('p', {}, el('strong', {}, 'No backups yet. '), 'If this machine is lost now, all data is lost.'),
      el('p', {}, 'Take one with the button above, or on the server with ', command('quadra backup take'), '. Then name a second place in ', command('QUADRA_BACKUP_SECONDARY_DIR'), ' or ', command('QUADRA_BACKUP_S3'), '.'));
  }

  /** `found` is the answer of the list, `jobs` those that take and verify. */
  function draw(found, jobs) {
    fill(busy, jobs.map((job) => [job.job_id, job.status, job.last_error]), () => underWay(jobs));
    fill(form.elements.kind, found.kinds, () => found.kinds.map((kind) => el('option', { value: kind, selected: kind === 'full' }, KINDS[kind] ?? kind)));
    form.hidden = found.kinds.length === 0;
    table.hidden = found.backups.length === 0;
    fill(table.tBodies[0], [found.backups, Math.floor(Date.now() / 60_000)], () => found.backups.map(row));
    fill(nothing, found.backups.length === 0, () => (found.backups.length === 0 ? empty() : []));
  }

  return { draw };
}


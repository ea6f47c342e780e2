// The tab of jobs: what waits, runs, is done, and what went wrong with it.

import { count } from '../shared/format.js';
import { el, fill } from '../shared/elements.js';
import { history } from './history.js';
import { List } from '../shared/list.js';
import { age, batchHref, href, milliseconds, shortId, state, when } from '../shared/words.js';

export function makeJobs({ project, address, kinds }) {
  const root = document.getElementById('panel-jobs');
  /** The filters of another tab are not ours. */
  const wanted = (name) => (address.tab === 'jobs' ? address.get(name) : '');

  const list = new List(root, {
    path: '/api/admin/jobs',
    name: 'jobs',
    params: () => ({ project, status: wanted('status'), kind: wanted('kind'), batch_id: wanted('batch') }),
    key: (job) => job.job_id,
    at: (job) => job.created_at,
    shows: (job) => (!wanted('status') || job.status === wanted('status')) && (!wanted('kind') || job.kind === wanted('kind'))
      && (!wanted('batch') || job.batch_id === wanted('batch')),
    build,
    heard: kinds.learn,
    nothing: () => [el('p', {}, wanted('status') || wanted('kind') || wanted('batch')
      ? 'No matching jobs.'
      : 'No jobs yet. Each batch gets one when it is sealed.')],
  });

  function build(first) {
    const cell = (label, className) => el('td', { 'data-label': label, class: className });
    const cells = {
      state: cell('State'), attempt: cell('Attempt', 'n'), trigger: cell('Trigger'), then: cell('Last change'), error: cell('Error', 'wide'),
    };
    const batch = first.batch_id
      ? el('td', { 'data-label': 'Batch' }, el('a', { href: batchHref(project, first.batch_id), 'data-tab': 'batches', title: first.batch_id }, shortId(first.batch_id)))
      : el('td', { class: 'none' });
    const element = el('tr', {}, el('th', { scope: 'row', title: `Job ${first.job_id}` }, first.kind), cells.state, batch, cells.attempt,
      cells.trigger, el('td', { 'data-label': 'Made' }, when(first.created_at)), cells.then, cells.error);

    function draw(job) {
      element.dataset.status = job.status;
      fill(cells.state, job.status, () => (job.status === 'FAILED'
        ? el('a', { href: href('/pipeline/dead-letters', project, { batch: job.batch_id }), 'data-tab': 'dead-letters' }, state(job.status))
        : state(job.status)));
      fill(cells.attempt, [job.attempt_count, job.max_attempts], () => `${count(job.attempt_count)} of ${count(job.max_attempts)}`);
      fill(cells.trigger, job.trigger_type, () => ({ SCHEDULED: 'scheduled', MANUAL: 'by hand' }[job.trigger_type] ?? job.trigger_type));
      fill(cells.then, [job.status, job.started_at, job.finished_at, job.available_at, job.worker], () => then(job));
      const wrong = job.error_context?.length > 0 || job.last_error;
      cells.error.classList.toggle('none', !wrong);
      fill(cells.error, [job.last_error, job.error_context], () => (wrong ? errorOf(job) : null));
    }

    draw(first);
    return { element, draw };
  }

  return { list, root };
}

function then({ status, started_at: started, finished_at: finished, available_at: available, analysis_time_ms: took, worker }) {
  if (status === 'RUNNING') return el('span', { title: worker }, 'since ', when(started));
  if (status === 'PENDING') return Date.parse(available) > Date.now() ? el('span', {}, 'next try ', when(available)) : 'waiting for a worker';
  const ended = { SUCCESS: 'done', FAILED: 'given up', DISCARDED: 'discarded' }[status] ?? 'ended';
  return el('span', { title: worker }, `${ended} `, when(finished), typeof took === 'number' ? ` in ${took < 10_000 ? milliseconds(took) : age(took / 1000)}` : null);
}

function errorOf({ last_error: last, error_context: entries, status }) {
  const line = last ?? entries.at(-1)?.message ?? '';
  return [el('p', { class: status === 'SUCCESS' ? 'sub clamp' : 'wrong clamp', title: line }, line), history(entries)];
}

// The tab of dead letters: why each job was given up, and what a person decides about it.

import { count } from '../shared/format.js';
import { confirm } from '../shared/confirm.js';
import { el, facts, fill } from '../shared/elements.js';
import { history } from './history.js';
import { List } from '../shared/list.js';
import { act } from '../shared/rest.js';
import { tell } from '../shared/notices.js';
import { batchHref, href, shortId, things, when } from '../shared/words.js';

const PATH = '/api/admin/dead-letter-queue';

export function makeDeadLetters({ project, acts, address, kinds, moved }) {
  const root = document.getElementById('panel-dead-letters');
  const badge = document.getElementById('dead-count');
  /** The filters of another tab are not ours. */
  const wanted = (name) => (address.tab === 'dead-letters' ? address.get(name) : '');

  const list = new List(root, {
    path: PATH,
    name: 'dead_letters',
    params: () => ({ project, kind: wanted('kind'), batch_id: wanted('batch') }),
    key: (letter) => letter.job_id,
    at: (letter) => letter.finished_at ?? letter.updated_at,
    // jobs as the socket tells them come here as well: a dead letter is a job that FAILED
    shows: (letter) => letter.status === 'FAILED' && (!wanted('kind') || letter.kind === wanted('kind'))
      && (!wanted('batch') || letter.batch_id === wanted('batch')),
    build,
    heard: kinds.learn,
    counted(total) {
      if (wanted('kind') || wanted('batch')) return;
      badge.hidden = total === 0;
      badge.textContent = ` ${count(total)}`;
    },
    nothing: () => (wanted('kind') || wanted('batch')
      ? [el('p', {}, 'No matching dead letters.')]
      : [el('p', {}, 'No dead letters. Every failed job succeeded on a retry or waits for its next attempt.')]),
  });

  function build(first) {
    const body = el('div');
    const name = el('h3', { id: `letter-${first.job_id}` }, el('strong', {}, first.kind), first.batch_id
      ? [' of batch '] : ' of no batch', first.batch_id ? el('a', { href: batchHref(project, first.batch_id), 'data-tab': 'batches', title: first.batch_id }, shortId(first.batch_id)) : null);
    const buttons = acts ? el('div', { class: 'choices' },
      el('button', { class: 'button accent', type: 'button', 'aria-describedby': name.id, onclick: () => requeue(first) }, 'Requeue'),
      el('button', { class: 'button', type: 'button', 'aria-describedby': name.id, onclick: () => discard(first) }, 'Discard')) : null;
    const element = el('li', {}, el('article', { class: 'letter', 'aria-labelledby': name.id }, el('div', { class: 'panel-head wrap' }, name, buttons), body));

    let whole = [];

    function draw(letter) {
      // the socket tells attempts without tracebacks and paths; what the server answered before has them
      const told = letter.history ?? letter.error_context ?? [];
      const entries = told.map((entry, at) => (entry.traceback ? entry : { ...entry, ...whole[at] }));
      whole = entries;
      // not the whole letter: as a job it comes with other fields, and must not fold up what is being read
      fill(body, [entries.length ? '' : letter.last_error, entries, letter.finished_at, letter.attempt_count], () => {
        const line = entries.at(-1)?.message ?? letter.last_error;
        return [
          el('p', { class: 'wrong' }, line ?? 'It failed without a message.'),
          facts([
            ['Failed for good', when(letter.finished_at)],
            ['Attempts', `${count(letter.attempt_count)} of ${count(letter.max_attempts)}`],
            ['Created', when(letter.created_at)],
            ['Trigger', { SCHEDULED: 'scheduled', MANUAL: 'by hand' }[letter.trigger_type] ?? letter.trigger_type],
            ['Last worker', letter.worker],
            ['Job', el('code', {}, letter.job_id)],
          ], true),
          history(entries),
        ];
      });
    }

    draw(first);
    return { element, draw };
  }

  async function requeue(letter) {
    const yes = await confirm({
      title: 'Run this job again?',
      act: 'Requeue',
      body: [
        el('p', {}, 'The job ', el('strong', {}, letter.kind), about(letter), ` goes back into the queue with ${things(letter.max_attempts, 'attempt')}. A worker takes it at once.`),
        el('p', {}, 'Its history is kept. If every attempt fails again, it returns here.'),
      ],
    });
    if (yes) {
      await decide(letter, 'requeue', [
        `The job ${letter.kind}${about(letter)} is in the queue again. `,
        el('a', { href: href('/pipeline/jobs', project, { batch: letter.batch_id }), 'data-tab': 'jobs' }, 'Follow it'),
      ]);
    }
  }

  async function discard(letter) {
    const yes = await confirm({
      title: 'Discard this job?',
      act: 'Discard',
      danger: true,
      body: [
        el('p', {}, 'The job ', el('strong', {}, letter.kind), about(letter), ' will never run. You cannot undo this.'),
        el('p', {}, `${lost(letter)} The job stays among the jobs as DISCARDED, with its history.`),
      ],
    });
    if (yes) await decide(letter, 'discard', [`The job ${letter.kind}${about(letter)} is discarded.`]);
  }

  async function decide(letter, what, done) {
    let job;
    try {
      ({ job } = await act(`${PATH}/${letter.job_id}/${what}`));
    } catch (error) {
      tell(false, error.status === 409
        ? `Nothing was changed: the job is no longer a dead letter, or a similar job is unfinished. ${error.message}`
        : `Nothing was changed. ${error.message}`);
      await list.load();
      return;
    }
    const next = list.rows.element(letter.job_id)?.nextElementSibling ?? list.rows.element(letter.job_id)?.previousElementSibling;
    list.remove(letter.job_id);
    moved(job);
    tell(true, ...done);
    (next?.querySelector('button') ?? document.getElementById('tab-dead-letters')).focus();
  }

  return { list, root };
}

const about = ({ batch_id: batch }) => (batch ? ` of batch ${shortId(batch)}` : '');

function lost({ kind, batch_id: batch }) {
  if (kind === 'analyse') return 'No event is lost. The batch has no insight until you analyse it under Batches.';
  if (kind === 'analyse_llm') return 'No event is lost. The batch keeps the insight of the local analyst.';
  return batch ? 'No event is lost; only this step is skipped for the batch.' : 'No event is lost.';
}

// The tab of batches: one row a batch, what can be done with it, and one batch looked at closely.

import { count } from '../shared/format.js';
import { card } from '../insights/card.js';
import { el, facts, fill } from '../shared/elements.js';
import { history } from './history.js';
import { List } from '../shared/list.js';
import { act, ask } from '../shared/rest.js';
import { tell } from '../shared/notices.js';
import { batchHref, href, shortId, state, things, when } from '../shared/words.js';

const PATH = '/api/admin/batches';
const ACTIONS = {
  OPEN: { word: 'Seal', path: 'seal', done: 'is sealed and waits for its analysis.' },
  SEALED: { word: 'Analyse', path: 'analyze', done: 'will be analysed.' },
  ANALYZED: { word: 'Analyse again', path: 'analyze', done: 'will be analysed again; the result replaces its insight.' },
};
const UNFINISHED = new Set(['PENDING', 'RUNNING']);

export function makeBatches({ project, acts, address }) {
  const root = document.getElementById('panel-batches');
  const box = document.getElementById('batch');

  const list = new List(root, {
    path: PATH,
    name: 'batches',
    params: () => ({ project, status: address.get('status') }),
    key: (batch) => batch.batch_id,
    at: (batch) => batch.created_at,
    shows: (batch) => !address.get('status') || batch.status === address.get('status'),
    build,
    nothing: () => (address.get('status')
      ? [el('p', {}, `No batch is ${address.get('status')} right now.`)]
      : [el('p', {}, 'No batch of this project yet. Its first one opens with the first event. '), el('p', {}, el('a', { href: href('/live', project) }, 'How to send an event'))]),
  });

  function build(first) {
    let batch = first;
    const cell = (label, className) => el('td', { 'data-label': label, class: className });
    const name = el('th', { scope: 'row' }, el('a', { href: batchHref(project, batch.batch_id), 'data-batch': batch.batch_id, title: batch.batch_id }, shortId(batch.batch_id)));
    const status = cell('Status');
    const events = cell('Events', 'n');
    const times = { created_at: cell('Opened'), sealed_at: cell('Sealed'), analyzed_at: cell('Analysed') };
    const analysis = cell('Analysis', 'full');
    const button = el('button', { class: 'button', type: 'button', onclick: () => run(batch, button) });
    const element = el('tr', {}, name, status, events, ...Object.values(times), analysis, acts ? el('td', { class: 'act' }, button) : null);

    function draw(given) {
      batch = given;
      element.dataset.status = batch.status;
      fill(status, batch.status, () => state(batch.status));
      fill(events, batch.event_count, () => count(batch.event_count));
      for (const [field, place] of Object.entries(times)) {
        place.classList.toggle('none', !batch[field]);
        fill(place, batch[field], () => when(batch[field]));
      }
      analysis.classList.toggle('none', !batch.analysis_job);
      fill(analysis, batch.analysis_job ?? null, () => (batch.analysis_job ? analysisOf(batch) : null));
      const action = ACTIONS[batch.status];
      button.hidden = !action;
      button.textContent = action?.word ?? '';
      button.setAttribute('aria-label', `${action?.word ?? ''} batch ${shortId(batch.batch_id)}`);
    }

    draw(first);
    return { element, draw };
  }

  function analysisOf({ batch_id: batch, analysis_job: { status, attempt_count: attempts, last_error: error } }) {
    const link = el('a', { href: href('/pipeline/jobs', project, { batch }), 'data-tab': 'jobs' }, state(status));
    return [link, attempts > 1 ? ` attempt ${attempts}` : null, error && status !== 'SUCCESS' ? el('p', { class: 'wrong clamp', title: error }, error) : null];
  }

  async function run(batch, button) {
    const action = ACTIONS[batch.status];
    button.disabled = true;
    try {
      await act(`${PATH}/${batch.batch_id}/${action.path}`);
      tell(true, `Batch ${shortId(batch.batch_id)} ${action.done}`);
    } catch (error) {
      tell(false, error.status === 409 ? await whyNot(batch, action, error) : `Batch ${shortId(batch.batch_id)} was not changed. ${error.message}`);
    }
    button.disabled = false;
    await reload(batch.batch_id);
  }

  /** A conflict in the words of this page, from how the batch stands now. */
  async function whyNot({ batch_id: id }, action, conflict) {
    const now = await ask(`${PATH}/${id}`).catch(() => null);
    const name = `Batch ${shortId(id)}`;
    if (action.path === 'analyze' && UNFINISHED.has(now?.analysis_job?.status)) {
      return `${name} is being analysed already: its job is ${now.analysis_job.status}. The result appears here when it is done.`;
    }
    if (action.path === 'seal' && now && now.status !== 'OPEN') return `${name} was sealed already: it is ${now.status} now.`;
    return `${name} was not changed. ${conflict.message}`;
  }

  async function reload(id) {
    const batch = await ask(`${PATH}/${id}`).catch(() => null);
    if (batch) list.hear([batch]);
    if (address.get('batch') === id) await look();
  }

  let looked = 0;

  /** The batch that the address names, in full. */
  async function look() {
    const id = address.get('batch');
    box.hidden = !id || address.tab !== 'batches';
    if (box.hidden) return;
    looked += 1;
    const turn = looked;
    document.getElementById('batch-title').textContent = `Batch ${shortId(id)}`;
    document.getElementById('batch-close').href = href('/pipeline/batches', project, { status: address.get('status') });
    const body = document.getElementById('batch-body');
    if (body.dataset.batch !== id) fill(body, id, () => el('span', { class: 'skeleton wide' }));
    body.dataset.batch = id;
    try {
      const [batch, { jobs }] = await Promise.all([ask(`${PATH}/${id}`), ask('/api/admin/jobs', { batch_id: id })]);
      if (turn === looked) fill(body, [batch, jobs], () => whole(batch, jobs));
    } catch (error) {
      if (turn === looked) fill(body, error.message, () => el('p', { class: 'nothing' }, error.status === 404 ? 'There is no such batch, or you may not see it.' : error.message));
    }
  }

  function whole(batch, jobs) {
    return [
      facts([
        ['Id', el('code', {}, batch.batch_id)], ['Project', batch.project], ['Status', state(batch.status)], ['Events', count(batch.event_count)],
        ['Opened', when(batch.created_at)], ['Sealed', when(batch.sealed_at)], ['Analysed', when(batch.analyzed_at)], ['Archived', when(batch.archived_at)],
      ], true),
      el('h3', {}, things(jobs.length, 'job')),
      jobs.length === 0 ? el('p', { class: 'sub' }, 'A batch gets its jobs when it is sealed.') : null,
      el('ul', { class: 'plain' }, ...jobs.map((job) => el('li', {}, el('strong', {}, job.kind), ' ', state(job.status), ` attempt ${job.attempt_count} of ${job.max_attempts}, created `, when(job.created_at), history(job.error_context)))),
      el('h3', {}, things(batch.insights.length, 'insight')),
      batch.insights.length === 0 ? el('p', { class: 'sub' }, 'None yet.') : null,
      el('ol', { class: 'timeline' }, ...batch.insights.map((insight) => el('li', {}, card(insight, project, { linked: false })))),
    ];
  }

  root.querySelector('.filters').addEventListener('change', (event) => address.set({ [event.target.name]: event.target.value }));

  return { list, look };
}

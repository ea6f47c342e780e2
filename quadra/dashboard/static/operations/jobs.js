// Jobs that are found by a text, the story of one, and what is decided about one or many.

import { el, facts, replace } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { ask } from '../shared/rest.js';
import { age, shortId, state, things, when } from '../shared/words.js';
import { acts, askWhy, button, cell, order } from './deeds.js';

const LIST = '/api/admin/jobs';
const DEAD = '/api/admin/dead-letter-queue';
const PAGE = 50;
const form = document.getElementById('find');
const rows = document.getElementById('jobs');
const older = document.getElementById('older');
const story = document.getElementById('story');
let cursor = null;

const wanted = () => ({ search: form.elements.search.value.trim(), status: form.elements.status.value, kind: form.elements.kind.value });

function row(job, again) {
  return el('tr', {}, el('th', { scope: 'row', title: job.job_id }, job.kind), cell('State', null, state(job.status)), cell('Attempt', 'n', `${count(job.attempt_count)} of ${count(job.max_attempts)}`),
    cell('Made', null, when(job.created_at)), cell('Error', job.last_error ? 'wide' : 'none', job.last_error ? el('p', { class: 'wrong clamp', title: job.last_error }, job.last_error) : null),
    el('td', { class: 'act' }, button('Look', `Look at job ${shortId(job.job_id)}, ${job.kind}`, () => lookAtStory(job.job_id, again, true))));
}

async function decide(verb, total, again) {
  const { search, kind } = wanted();
  const words = { requeue: ['Run', 'run again', 'Requeue them'], discard: ['Discard', 'never run', 'Discard them'] }[verb];
  const reason = await askWhy(`${words[0]} ${things(total, 'dead letter')}?`, `They ${words[1]}${kind ? `, all of kind ${kind}` : ''}${search ? `, all with “${search}”` : ''}. Up to 1,000 at a time.`, words[2], verb === 'discard');
  if (!reason) return;
  const body = { expected: total, reason, search, ...(kind ? { kind } : {}) };
  await order(`${DEAD}/${verb}`, body, ({ changed, refused, left }) => `${things(changed, 'job')} changed${refused.length > 0 ? `, ${count(refused.length)} not: ${refused[0].message}` : ''}${left > 0 ? `, ${count(left)} are left` : ''}.`);
  again();
}

function offer(total, again) {
  const bulk = document.getElementById('bulk');
  bulk.hidden = !acts || wanted().status !== 'FAILED' || total === 0;
  bulk.replaceChildren(button(`Requeue all ${count(total)}`, `Requeue all ${count(total)} that are found`, () => decide('requeue', total, again)),
    button(`Discard all ${count(total)}`, `Discard all ${count(total)} that are found`, () => decide('discard', total, again)));
}

export async function lookAtJobs(again, more = false) {
  const { jobs, total, cursor: next } = await ask(LIST, { ...wanted(), limit: PAGE, cursor: more ? cursor : null });
  const made = jobs.map((job) => row(job, again));
  if (more) rows.append(...made);
  else replace(rows, made.length > 0 ? made : [el('tr', {}, el('td', { colspan: 6, class: 'nothing full' }, 'No such job.'))]);
  cursor = next;
  older.hidden = next === null;
  document.getElementById('found').textContent = `${things(total, 'job')} of all projects, newest first. A search reads the newest 20,000`;
  offer(total, again);
}

function stepOf(step) {
  const where = [step.attempt ? `attempt ${step.attempt}` : null, step.worker ? `on ${step.worker}` : null, typeof step.seconds === 'number' ? age(step.seconds) : null, step.by].filter(Boolean).join(' · ');
  const wrong = ['failed', 'dead', 'cancelled'].includes(step.what);
  return el('li', {}, el('p', { class: 'sub' }, when(step.at), where ? ` · ${where}` : ''), el('p', { class: wrong ? 'wrong' : null }, step.text));
}

async function cancel(job, again) {
  const running = job.status === 'RUNNING';
  const words = running ? 'Its worker is told to stop. Whatever it still does has no effect on the database; what it has sent elsewhere is sent.' : 'It will never run.';
  const reason = await askWhy(`Cancel this job (${job.kind})?`, words, 'Cancel the job', true);
  if (!reason) return;
  await order(`${LIST}/${job.job_id}/cancel`, { reason }, () => `The job ${job.kind} is cancelled.`);
  again();
  await lookAtStory(job.job_id, again);
}

async function lookAtStory(id, again, go = false) {
  const { job, args, steps } = await ask(`${LIST}/${id}`);
  story.hidden = false;
  document.getElementById('story-title').textContent = `Job ${shortId(id)}: ${job.kind}`;
  const open = job.status === 'PENDING' || job.status === 'RUNNING';
  document.getElementById('story-acts').replaceChildren(...(acts && open ? [button('Cancel the job', `Cancel job ${shortId(id)}`, () => cancel(job, again))] : []));
  document.getElementById('story-body').replaceChildren(
    facts([['State', state(job.status)], ['Attempts', `${count(job.attempt_count)} of ${count(job.max_attempts)}`], ['Worker', job.worker], ['Id', el('code', {}, id)]], true),
    el('ol', { class: 'story', 'aria-label': 'What happened to it' }, ...steps.map(stepOf)),
    args && Object.keys(args).length > 0 ? el('details', { class: 'fold' }, el('summary', {}, 'Arguments'), el('pre', { tabindex: '0' }, JSON.stringify(args, null, 2))) : '',
  );
  if (go) document.getElementById('story-title').focus();
}

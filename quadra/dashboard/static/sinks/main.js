// The page of sinks: asks every few seconds how they are, and pauses, resumes or replays one where a person says so.

import { confirm } from '../shared/confirm.js';
import { el, fill } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { tell } from '../shared/notices.js';
import '../shared/plain_tables.js';
import { ask, send } from '../shared/rest.js';
import { age, when } from '../shared/words.js';

const EVERY_MS = 3_000;
const DAY_MS = 86_400_000;
const LATEST = '20';
const acts = document.getElementById('sinks-page').hasAttribute('data-acts');
const problem = document.getElementById('problem');
const table = document.getElementById('sinks');
const SIGNS = { running: 'SUCCESS', paused: 'SEALED', failing: 'FAILED' };
const WORDS = { running: 'running', paused: 'paused', failing: 'failing, tried again' };

const cell = (label, className, ...children) => el('td', { 'data-label': label, class: className }, ...children);

async function order(sink, deed, done, body = {}) {
  try {
    const answer = await send(`/api/sinks/${sink.name}/${deed}`, { method: 'POST', body });
    tell(true, done(answer));
  } catch (error) {
    const field = Object.entries(error.fields ?? {}).map(([name, what]) => ` ${name}: ${what}.`).join('');
    tell(false, `Nothing was changed. ${error.message}${field}`);
  }
  await look();
}

async function pause(sink) {
  const body = [el('p', {}, `Nothing more is delivered to ${sink.title} until you resume it. What is sealed waits; nothing is lost.`)];
  if (await confirm({ title: `Pause ${sink.title}?`, body, act: 'Pause' })) await order(sink, 'pause', () => `${sink.title} is paused.`);
}

async function replay(sink) {
  const yesterday = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
  const from = el('input', { type: 'date', class: 'pill', value: yesterday });
  const to = el('input', { type: 'date', class: 'pill' });
  const body = [
    el('p', {}, `Every batch that received events in this range (UTC days) is delivered to ${sink.title} once more, with the same event ids.`),
    el('p', {}, el('label', {}, 'From ', from), ' ', el('label', {}, 'through (left out: now) ', to)),
  ];
  if (!await confirm({ title: `Deliver to ${sink.title} again?`, body, act: 'Deliver again' })) return;
  await order(sink, 'replay', (answer) => `${count(answer.batches)} batches wait for ${sink.title} again.`, { from: from.value, to: to.value || null });
}

function buttons(sink) {
  const button = (text, deed) => el('button', { class: 'button', type: 'button', 'aria-label': `${text} ${sink.title}`, onclick: deed }, text);
  return el('div', { class: 'choices' },
    sink.state === 'paused'
      ? button('Resume', () => order(sink, 'resume', () => `${sink.title} goes on.`))
      : button('Pause', () => pause(sink)),
    button('Replay', () => replay(sink)));
}

function row(sink) {
  return el('tr', {},
    el('th', { scope: 'row' }, sink.title),
    cell('State', null, el('span', { class: 'state', 'data-state': SIGNS[sink.state] }, WORDS[sink.state])),
    cell('Behind', 'n', sink.pending_batches ? age(sink.lag_seconds) : '—'),
    cell('Waiting batches', 'n', count(sink.pending_batches)),
    cell('Delivered events', 'n', count(sink.delivered_events)),
    cell('Quarantined', 'n', count(sink.quarantined_events)),
    el('td', { class: 'act' }, acts ? buttons(sink) : ''));
}

function errors(sinks) {
  return sinks.filter((sink) => sink.state === 'failing' && sink.last_error).map((sink) => el('p', { class: 'notice bad' }, el('strong', {}, `${sink.title}: `), sink.last_error, ' ', when(sink.last_error_at)));
}

function empty() {
  return el('div', { class: 'nothing' },
    el('p', {}, el('strong', {}, 'No sinks yet. '), 'Batches stay in Quadra.'),
    el('p', {}, 'Set ', el('code', {}, 'QUADRA_KAFKA_BROKERS'), ', ', el('code', {}, 'QUADRA_BIGQUERY_DATASET'), ', ', el('code', {}, 'QUADRA_CLICKHOUSE_URL'), ' or ', el('code', {}, 'QUADRA_SINKS'), ' and start Quadra again.'));
}

async function quarantine(sinks) {
  const pages = await Promise.all(sinks.filter((sink) => sink.quarantined_events).map(async (sink) => ({ sink, ...await ask(`/api/sinks/${sink.name}/quarantine`, { limit: LATEST }) })));
  const rows = pages.flatMap(({ sink, rows: found }) => found.map((one) => ({ ...one, title: sink.title })));
  document.getElementById('quarantine').hidden = rows.length === 0;
  fill(document.getElementById('quarantine-rows'), rows, () => rows.map((one) => el('tr', {},
    el('th', { scope: 'row' }, el('code', {}, one.event_id)), cell('Sink', null, one.title), cell('Reason', null, one.reason), cell('When', null, when(one.at)))));
}

async function look() {
  try {
    const { sinks } = await ask('/api/sinks');
    await quarantine(sinks);
    problem.hidden = true;
    table.hidden = sinks.length === 0;
    fill(document.getElementById('sinks-nothing'), sinks.length, () => (sinks.length ? [] : [empty()]));
    fill(document.getElementById('sinks-errors'), sinks.map((sink) => [sink.state, sink.last_error, sink.last_error_at]), () => errors(sinks));
    fill(table.tBodies[0], sinks, () => sinks.map(row));
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

await look();
setInterval(look, EVERY_MS);

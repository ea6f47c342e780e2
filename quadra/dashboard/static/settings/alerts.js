// Alerts of a project: a condition, who is told, what it found so far.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { moment } from '../shared/format.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { acts, button, cell, head, show } from './cells.js';
import { attempt, onSubmit, project, role, settings } from './forms.js';

const number = (name, label, value, most) => ({ name, label, type: 'number', value, min: 0, max: most, step: 'any', required: true });
const choice = (name, label, choices) => ({ name, label, choices });
const OVER = number('over_minutes', 'Over the last minutes', 60, 43_200);
const OPS = { '>': 'is above', '<': 'is below', rises_by: 'has risen by per cent', falls_by: 'has fallen by per cent' };
// Kind -> its words, its fields, and how a condition reads. `lens` is asked by a threshold that names an event.
const KINDS = {
  no_events: { title: 'Nothing arrives', fields: [number('minutes', 'Minutes without an event', 30, 43_200)], says: (when) => `no event for ${when.minutes} min` },
  new_error: { title: 'A new error', fields: [], says: () => 'an error that was never seen before' },
  threshold: {
    title: 'Events are many or few',
    fields: [{ name: 'event', label: 'Event (empty: any)', type: 'text', value: '' }, choice('op', 'Their number', OPS), number('value', 'Value', 100), OVER],
    says: (when) => `${when.lens}${when.params?.event ? ` of ${when.params.event}` : ''}${when.field ? `, ${when.field},` : ''} ${OPS[when.op]} ${when.value}, over ${when.over_minutes ?? 60} min`,
  },
  anomaly: { title: 'Traffic is not normal', fields: [], says: (when) => (when.signal ? `${when.signal} is not normal` : 'traffic is not normal') },
  insight: { title: 'An insight', fields: [choice('at_least', 'At least', { wrong: 'something is wrong', notice: 'worth a look' })], says: (when) => `an insight: ${when.at_least}` },
  ai_budget: {
    title: 'AI calls cost too much',
    fields: [number('usd', 'Budget in USD', 50), choice('per', 'For each', { day: 'day', month: 'month' })],
    says: (when) => `AI calls cost more than ${when.usd} USD a ${when.per}`,
  },
  dead_letters: { title: 'Jobs are given up', fields: [number('more_than', 'More than', 0, 1_000_000)], says: (when) => `more than ${when.more_than ?? 0} dead letters` },
  health: {
    title: 'Quadra is not well',
    fields: [choice('at_least', 'At least', { unhealthy: 'unhealthy', degraded: 'degraded' }), { name: 'check', label: 'Check (empty: all together)', type: 'text', value: '' }],
    says: (when) => `${when.check ?? 'Quadra'} is ${when.at_least ?? 'unhealthy'}`,
  },
};
const USUAL = [
  ['Nothing arrives', { kind: 'no_events', minutes: 60 }],
  ['A new error', { kind: 'new_error' }],
  ['Error rate', { kind: 'threshold', lens: 'performance', field: 'totals.error_rate', op: '>', value: 5, over_minutes: 15, for_minutes: 5 }],
  ['AI calls cost too much', { kind: 'ai_budget', usd: 50, per: 'day' }],
  ['Jobs are given up', { kind: 'dead_letters', more_than: 10 }],
  ['Quadra is not well', { kind: 'health' }],
  ['The disk fills up', { kind: 'health', check: 'disk', at_least: 'degraded' }],
];
const form = document.getElementById('make');
const fields = document.getElementById('fields');
let channels = new Map();
let known = [];

function field({ name, label, choices, ...rest }) {
  const full = `when.${name}`;
  const input = choices
    ? el('select', { name: full, autocomplete: 'off' }, ...Object.entries(choices).map(([value, words]) => el('option', { value }, words)))
    : el('input', { name: full, autocomplete: 'off', ...rest });
  return el('label', {}, label, input);
}

function conditionOf(elements) {
  const kind = elements.kind.value;
  const when = { kind };
  for (const { name, type } of KINDS[kind].fields) {
    const given = elements[`when.${name}`].value;
    if (given !== '') when[name] = type === 'number' ? Number(given) : given;
  }
  if (kind !== 'threshold') return when;
  const { event, ...rest } = when;
  return { ...rest, lens: 'trends', params: event ? { event } : {} };
}

const chosen = () => [...form.querySelectorAll('#to input:checked')].map((box) => box.value);

async function addUsual() {
  await attempt(async () => {
    const missing = USUAL.filter(([name]) => !known.some((alert) => alert.name === name));
    for (const [name, when] of missing) await send('/api/alerts', { method: 'POST', body: { project, name, when, to: chosen() } });
    tell(true, missing.length > 0 ? `${missing.length} alerts are made.` : 'They are all there.');
  });
  await attempt(look);
}

async function mute(alert) {
  const minutes = alert.muted_until ? 0 : 60;
  await attempt(async () => {
    await send(`/api/alerts/${alert.id}/mute`, { method: 'POST', body: { minutes } });
    await look();
  });
}

async function remove(alert) {
  const body = [el('p', {}, 'Its history goes too. What it has not sent is not sent any more.')];
  if (!await confirm({ title: `Delete ${alert.name}?`, body, act: 'Delete it', danger: true })) return;
  await attempt(async () => {
    await send(`/api/alerts/${alert.id}`, { method: 'DELETE' });
    await look();
  });
}

function firing(one) {
  const over = one.resolved_at ? `until ${moment(Date.parse(one.resolved_at))}` : 'goes on';
  const sent = one.deliveries.map((message) => `${channels.get(message.channel_id)?.name ?? 'a channel that is gone'}: ${message.state}, ${message.status}`);
  return el('li', { class: one.resolved_at ? 'done' : '' }, el('span', { class: 'tick', 'aria-hidden': 'true' }, one.resolved_at ? '✓' : '!'),
    el('p', {}, `${moment(Date.parse(one.at))}, ${over}. ${one.message} `, el('a', { href: one.url }, 'Show')),
    el('p', { class: 'sub' }, sent.length > 0 ? sent.join(' · ') : 'Nobody was told.'));
}

async function history(alert) {
  await attempt(async () => {
    const { firings } = await ask(`/api/alerts/${alert.id}/firings`);
    const title = document.getElementById('history-title');
    title.textContent = `History of ${alert.name}`;
    const nothing = el('li', {}, el('p', { class: 'nothing' }, 'It has not fired yet.'));
    document.getElementById('firings').replaceChildren(...(firings.length > 0 ? firings.map(firing) : [nothing]));
    document.getElementById('history').hidden = false;
    title.focus();
  });
}

function row(alert) {
  const muted = alert.muted_until && Date.parse(alert.muted_until) > Date.now();
  const state = { ok: 'quiet', firing: 'fires', failing: alert.last_error }[alert.state];
  const words = KINDS[alert.when.kind].says(alert.when);
  const names = alert.to.map((id) => channels.get(id)?.name ?? 'a channel that is gone');
  const own = [button('History', `History of ${alert.name}`, () => history(alert))];
  if (role !== 'viewer') {
    own.push(button(muted ? 'Unmute' : 'Mute for an hour', muted ? `Unmute ${alert.name}` : `Mute for an hour: ${alert.name}`, () => mute({ ...alert, muted_until: muted })),
      button('Delete', `Delete ${alert.name}`, () => remove(alert)));
  }
  return el('tr', {}, head(alert.name), cell('Condition', words), cell('Now', muted ? `${state}, muted until ${moment(Date.parse(alert.muted_until))}` : state),
    cell('Tells', names.join(', ') || 'nobody'), acts(el('div', { class: 'choices' }, ...own)));
}

async function look() {
  const [listed, found] = await Promise.all([ask('/api/alerts', { project }), ask('/api/channels', { project })]);
  known = listed.alerts;
  channels = new Map(found.channels.map((channel) => [channel.id, channel]));
  show(known.map(row), 5, 'This project has no alerts.');
}

function offerChannels() {
  const boxes = [...channels.values()].map((channel) => el('label', { class: 'check' }, el('input', { type: 'checkbox', value: channel.id, checked: true }), ` ${channel.name}`));
  document.getElementById('to').append(...(boxes.length > 0 ? boxes : [el('p', { class: 'sub' }, 'Nobody yet: make a channel first. Alerts are shown here all the same.')]));
}

if (form) {
  const kind = document.getElementById('kind');
  const change = () => fields.replaceChildren(...KINDS[kind.value].fields.map(field));
  kind.append(...Object.entries(KINDS).map(([value, { title }]) => el('option', { value }, title)));
  kind.addEventListener('change', change);
  change();
  for (const each of form.querySelectorAll('.choices button')) each.disabled = true; // until it is known who can be told
  document.getElementById('usual').addEventListener('click', addUsual);
  onSubmit(form, async (elements) => {
    const body = { project, name: elements.name.value, when: conditionOf(elements), to: chosen(), quiet_minutes: Number(elements.quiet_minutes.value) };
    await send('/api/alerts', { method: 'POST', body });
    form.reset();
    change();
    await look();
  });
}

if (await attempt(look) && form) {
  offerChannels();
  for (const each of form.querySelectorAll('.choices button')) each.disabled = false;
}
settings.classList.remove('waits');

// Reports of a project: a page or a saved view by mail. Made, looked at, sent now, deleted.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { moment } from '../shared/format.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { acts, button, cell, head, show } from './cells.js';
import { attempt, onSubmit, project, role, settings } from './forms.js';

const EVERY = { day: 'each day', week: 'each week', month: 'each month' };
const VIEW = 'view:';
const form = document.getElementById('make');
const what = document.getElementById('what');
let channels = new Map();
let views = new Map();

async function sendNow(report) {
  await attempt(async () => {
    const { mails } = await send(`/api/reports/${report.id}/send`, { method: 'POST' });
    tell(true, `${mails} ${mails === 1 ? 'mail is' : 'mails are'} on the way.`);
  });
}

async function remove(report) {
  const body = [el('p', {}, 'What it has not sent is not sent any more.')];
  if (!await confirm({ title: `Delete ${report.name}?`, body, act: 'Delete it', danger: true })) return;
  await attempt(async () => {
    await send(`/api/reports/${report.id}`, { method: 'DELETE' });
    await look();
  });
}

function row(report) {
  const names = report.to.map((id) => channels.get(id)?.name ?? 'a channel that is gone');
  const said = report.view ? (views.get(report.view)?.name ?? 'a view that is gone') : report.page;
  const last = report.last_sent_at ? moment(Date.parse(report.last_sent_at)) : 'not yet';
  const own = [el('a', { class: 'button', href: `/api/reports/${report.id}/preview`, target: '_blank', rel: 'noopener', 'aria-label': `Preview ${report.name}` }, 'Preview')];
  if (role !== 'viewer') {
    own.push(button('Send now', `Send ${report.name} now`, () => sendNow(report)), button('Delete', `Delete ${report.name}`, () => remove(report)));
  }
  return el('tr', {}, head(report.name), cell('What', said), cell('When', `${EVERY[report.every]} at ${report.at}, ${report.timezone}; next ${moment(Date.parse(report.next_at))}`),
    cell('Goes to', names.join(', ') || 'nobody'), cell('Last sent', report.last_error ? `${last}. ${report.last_error}` : last), acts(el('div', { class: 'choices' }, ...own)));
}

async function look() {
  const [listed, found, saved] = await Promise.all([ask('/api/reports', { project }), ask('/api/channels', { project }), ask('/api/saved-views', { project, limit: 1000 })]);
  channels = new Map(found.channels.filter(({ kind }) => kind === 'email').map((channel) => [channel.id, channel]));
  views = new Map(saved.saved_views.map((view) => [view.id, view]));
  show(listed.reports.map(row), 6, 'This project has no reports.');
}

function offer() {
  const boxes = [...channels.values()].map((channel) => el('label', { class: 'check' }, el('input', { type: 'checkbox', value: channel.id, checked: true }), ` ${channel.name}`));
  document.getElementById('to').append(...(boxes.length > 0 ? boxes : [el('p', { class: 'sub' }, 'Nobody yet: make an e-mail channel first.')]));
  const options = [...views.values()].filter((view) => Object.keys(view.questions).length > 0).map((view) => el('option', { value: `${VIEW}${view.id}` }, `View: ${view.name}`));
  what.append(...options);
}

if (form) {
  const submit = form.querySelector('[type="submit"]');
  submit.disabled = true; // until it is known what can be sent, and to whom
  onSubmit(form, async (elements) => {
    const to = [...form.querySelectorAll('#to input:checked')].map((box) => box.value);
    const chosen = what.value.startsWith(VIEW) ? { view: what.value.slice(VIEW.length) } : { page: what.value };
    const { name, every, at, timezone } = elements;
    await send('/api/reports', { method: 'POST', body: { project, name: name.value, every: every.value, at: at.value, timezone: timezone.value, to, ...chosen } });
    form.reset();
    await look();
  });
  if (await attempt(look)) offer();
  submit.disabled = false;
} else {
  await attempt(look);
}
settings.classList.remove('waits');

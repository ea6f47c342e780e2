// The audit log, page by page; its filter stands in the address.

import { el, parted } from '../shared/elements.js';
import { moment } from '../shared/format.js';
import { ask } from '../shared/rest.js';
import { cell, head, show } from './cells.js';
import { attempt, project } from './forms.js';

const PAGE = 50;
const EXPORT_PAGE = 1000;
const MOST_PAGES = 100;
const form = document.getElementById('filter');
const older = document.getElementById('older');
const rows = document.getElementById('rows');
let last = null;

const asked = () => ({ action: form.elements.action.value.trim(), actor: form.elements.actor.value.trim(), project: form.elements.here.checked ? project : '' });
const details = (entry) => Object.entries(entry.details).map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ');

function row(entry) {
  return el('tr', {}, head(el('time', { datetime: entry.at }, moment(Date.parse(entry.at)))), cell('Who', ...parted(entry.actor)), cell('What', ...parted(entry.action)),
    cell('To what', ...parted(entry.subject || '—')), cell('Project', entry.project ?? '—'), cell('From', entry.address || '—'), cell('Details', details(entry) || '—'));
}

async function look(before = null) {
  const { entries } = await ask('/api/audit', { ...asked(), limit: PAGE, before });
  if (before === null) show(entries.map(row), 7, 'Nothing like this was done.');
  else rows.append(...entries.map(row));
  last = entries.at(-1)?.id ?? null;
  older.hidden = entries.length < PAGE;
}

/** Quoted, and never a formula: what a stranger typed as an e-mail address stands in the log. */
const quoted = (value) => `"${String(value ?? '').replace(/^(?=[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;

async function exported() {
  const lines = ['id,at,actor,action,subject,project,address,details'];
  let before = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { entries } = await ask('/api/audit', { ...asked(), limit: EXPORT_PAGE, before });
    for (const one of entries) lines.push([one.id, one.at, one.actor, one.action, one.subject, one.project, one.address, JSON.stringify(one.details)].map(quoted).join(','));
    if (entries.length < EXPORT_PAGE) break;
    before = entries.at(-1).id;
  }
  const url = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
  el('a', { href: url, download: 'audit.csv' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries({ action: asked().action, actor: asked().actor, here: form.elements.here.checked ? 'yes' : '' })) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  history.replaceState(null, '', query.size > 0 ? `?${query}` : location.pathname);
  attempt(look);
});
older.addEventListener('click', () => attempt(() => look(last)));
document.getElementById('export').addEventListener('click', () => attempt(exported));

const query = new URLSearchParams(location.search);
form.elements.action.value = query.get('action') ?? '';
form.elements.actor.value = query.get('actor') ?? '';
form.elements.here.checked = query.get('here') === 'yes';
attempt(look);

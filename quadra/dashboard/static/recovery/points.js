// The moments that can be reached: a span where PostgreSQL's log is archived, and each backup.

import { el, facts } from '../shared/elements.js';
import { things, when } from '../shared/words.js';
import { command, verdict } from './words.js';

const SHOWN = 5;

export function points({ points: found, continuous }) {
  const span = continuous.from && continuous.to
    ? [facts([['Any moment from', when(continuous.from)], ['to', when(continuous.to)], ['Log', verdict('healthy', 'whole')]], true), el('p', { class: 'sub' }, 'On the server: ', command('quadra pitr --to TIME'), ' recovers next to the running database.')]
    : [el('p', { class: 'sub' }, continuous.message)];
  if (found.length === 0) return [...span, el('p', { class: 'nothing' }, 'No database backup, so there is no recovery point.')];
  const rows = found.slice(0, SHOWN).map((point) => el('li', {}, when(point.at), ` ${point.kind} `, point.verified_at ? verdict('healthy', 'verified') : verdict('degraded', 'not verified')));
  const more = found.length > SHOWN ? el('p', { class: 'sub' }, `and ${things(found.length - SHOWN, 'older backup')}.`) : null;
  const restore = found.find((point) => point.kind !== 'base');
  const how = restore ? el('p', { class: 'sub' }, 'On the server, with Quadra stopped: ', command(`quadra restore --id ${restore.backup_id} --dry-run`)) : null;
  return [...span, el('h3', {}, 'Backups'), el('ul', { class: 'plain' }, ...rows), more, how].filter(Boolean);
}

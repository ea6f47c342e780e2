// What happens by the clock: when next, how it went lately, and at once where an admin says so.

import { confirm } from '../shared/confirm.js';
import { el, replace } from '../shared/elements.js';
import { ask } from '../shared/rest.js';
import { when } from '../shared/words.js';
import { button, cell, order } from './deeds.js';

const LATELY = 5;
const WORDS = { base: 'Base backup', models: 'Backup of models', database: 'Backup of the database', full: 'Backup of everything', prune: 'Remove old backups', verify: 'Restore the newest backup on trial' };

async function run(what, again) {
  const body = [el('p', {}, `${WORDS[what]}: a worker begins at once. The times of the schedule stay as they are.`)];
  if (await confirm({ title: 'Run it now?', body, act: 'Run it' }) && await order(`/api/disaster-recovery/schedule/${what}/run`, {}, ({ job }) => `The job ${job.job_id} is in the queue.`)) again();
}

export async function lookAtSchedule(again) {
  const { schedule, on } = await ask('/api/disaster-recovery/schedule');
  document.getElementById('schedule-says').textContent = on ? 'Times of the schedule are UTC' : 'The worker keeps no schedule (QUADRA_BACKUP_SCHEDULE); cron may. Times are UTC';
  replace(document.getElementById('schedule'), schedule.map((one) => el('tr', {}, el('th', { scope: 'row', class: 'wide' }, WORDS[one.what] ?? one.what),
    cell('When', null, el('code', {}, one.cron)), cell('Next', null, on ? when(one.next_at) : 'not by the worker'),
    cell('Done lately', null, ...(one.done.length > 0 ? one.done.slice(0, LATELY).flatMap((at) => [when(at), ' ']) : ['not yet, or not kept'])),
    el('td', { class: 'act' }, one.runs ? button('Run now', `Run now: ${WORDS[one.what] ?? one.what}`, () => run(one.what, again)) : null))));
}

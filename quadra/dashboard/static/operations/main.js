// The page of operations, put together: it looks every few seconds while somebody sees it; what was found stays as it is read.

import { el } from '../shared/elements.js';
import '../shared/plain_tables.js';
import { logIn, say } from '../shared/problem.js';
import { admin } from './deeds.js';
import { lookAtDurations } from './durations.js';
import { lookAtJobs } from './jobs.js';
import { lookAtSchedule } from './schedule.js';
import { lookAtStanding } from './standing.js';

const EVERY_MS = 5_000;
const known = new Set();

function offer(kinds) {
  const fresh = kinds.filter((kind) => !known.has(kind));
  for (const kind of fresh) {
    known.add(kind);
    for (const select of document.querySelectorAll('#operations select[name="kind"]')) select.append(el('option', {}, kind));
  }
}

/** `work`, with what it throws told at the top of the page under `name`. */
async function attempt(name, work) {
  try {
    await work();
    say(name, null);
  } catch (error) {
    if (error.status === 401) say(name, 'You are logged out.', logIn());
    else say(name, error.message);
  }
}

const standing = () => attempt('standing', async () => offer(await lookAtStanding(all)));
const durations = () => attempt('durations', lookAtDurations);
const jobs = (more = false) => attempt('jobs', () => lookAtJobs(all, more));
const schedule = () => (admin ? attempt('schedule', () => lookAtSchedule(all)) : null);

function all() {
  standing();
  jobs();
  schedule();
}

document.getElementById('durations-of').addEventListener('change', durations);
document.getElementById('find').addEventListener('submit', (event) => {
  event.preventDefault();
  jobs();
});
document.getElementById('find').addEventListener('change', () => jobs());
document.getElementById('older').addEventListener('click', () => jobs(true));
// shown when all of it is there: tables that fill up one by one move what is below them
Promise.all([standing(), durations(), jobs(), schedule()]).then(() => {
  document.getElementById('waiting').remove();
  document.getElementById('operations').hidden = false;
});
setInterval(() => { if (!document.hidden) standing(); }, EVERY_MS);

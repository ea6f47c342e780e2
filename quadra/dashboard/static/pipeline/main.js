// The pipeline page, put together: the address says which tab, filter and batch are shown; the socket says what moved.

import { el } from '../shared/elements.js';
import { makeBatches } from './batches.js';
import { makeDeadLetters } from './dead_letters.js';
import { makeJobs } from './jobs.js';
import { openLine } from '../shared/live_line.js';
import { Metrics } from '../shared/queue_metrics.js';
import { drawNumbers, numbersAway } from './numbers.js';
import { logIn, say } from '../shared/problem.js';
import { shortId } from '../shared/words.js';

const root = document.getElementById('pipeline');
const { project, tab } = root.dataset;
const acts = root.dataset.acts === 'yes';
const tabs = [...document.querySelectorAll('[role="tab"]')];

/** What the address says. Each tab has filters of its own; they live in the address, so that it can be sent to somebody. */
const address = {
  tab,
  given: new URLSearchParams(location.search),
  get: (name) => address.given.get(name) ?? '',
  /** Other filters of the same tab. */
  set(changes) {
    for (const [name, value] of Object.entries(changes)) {
      if (value) address.given.set(name, value);
      else address.given.delete(name);
    }
    go(`${location.pathname}?${address.given}`);
  },
};

/** The kinds of job that were seen, for the filters: there is one more whenever Quadra learns something new. */
const kinds = {
  known: new Set(),
  learn(jobs) {
    const before = kinds.known.size;
    for (const job of jobs) kinds.known.add(job.kind);
    if (kinds.known.size > before) kinds.offer();
  },
  offer() {
    for (const select of root.querySelectorAll('select[name="kind"]')) {
      const options = [...kinds.known].sort().map((kind) => el('option', {}, kind));
      select.replaceChildren(select.firstElementChild, ...options);
      select.value = address.get('kind');
    }
  },
};

const batches = makeBatches({ project, acts, address });
const jobs = makeJobs({ project, address, kinds });
const letters = makeDeadLetters({ project, acts, address, kinds, moved: (job) => hearJobs([job]) });
const lists = { batches: batches.list, jobs: jobs.list, 'dead-letters': letters.list };

const metrics = new Metrics(drawNumbers, (error) => {
  numbersAway();
  if (error.status === 401) say('metrics', 'You are logged out.', logIn());
});

function go(url) {
  history.pushState(null, '', url);
  show();
}

function readAddress() {
  address.tab = location.pathname.split('/')[2] ?? 'batches';
  address.given = new URLSearchParams(location.search);
  if (address.get('kind')) kinds.known.add(address.get('kind'));
}

function show() {
  readAddress();
  for (const one of tabs) {
    const chosen = one.dataset.tab === address.tab;
    one.setAttribute('aria-selected', String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute('aria-controls')).hidden = !chosen;
  }
  kinds.offer();
  const panel = document.getElementById(`panel-${address.tab}`);
  for (const select of panel.querySelectorAll('select')) select.value = address.get(select.name);
  const chip = panel.querySelector('[data-only-batch]');
  if (chip) {
    const batch = address.get('batch');
    chip.hidden = !batch;
    if (batch) {
      const rest = new URLSearchParams(address.given);
      rest.delete('batch');
      chip.href = `${location.pathname}?${rest}`;
      chip.replaceChildren(`only batch ${shortId(batch)}`, el('span', { class: 'hidden' }, ', show all'), el('span', { 'aria-hidden': 'true' }, ' ✕'));
    }
  }
  batches.look();
  lists[address.tab].load();
}

/** Links of this page stay on it, with everything that was loaded. */
root.addEventListener('click', follow);
document.getElementById('said').addEventListener('click', follow);
function follow(event) {
  const link = event.target.closest('a[href]');
  if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !/^\/pipeline(\/|$)/.test(url.pathname)) return;
  event.preventDefault();
  go(url.pathname + url.search);
  if (url.searchParams.get('batch') && address.tab === 'batches') {
    const box = document.getElementById('batch');
    box.focus({ preventScroll: true });
    box.scrollIntoView({ block: 'nearest' });
  } else if (!link.closest('[role="tablist"]') && link.getClientRects().length === 0) {
    document.getElementById(`tab-${address.tab}`).focus();
  }
}

document.querySelector('[role="tablist"]').addEventListener('keydown', (event) => {
  const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  if (event.key === ' ') {
    event.preventDefault();
    event.target.click();
  }
  if (!(event.key in moves)) return;
  event.preventDefault();
  const at = tabs.findIndex((one) => one.dataset.tab === address.tab);
  const to = Number.isFinite(moves[event.key]) ? (at + moves[event.key] + tabs.length) % tabs.length : event.key === 'Home' ? 0 : tabs.length - 1;
  tabs[to].focus();
  tabs[to].click();
});

for (const { root: panel } of [jobs, letters]) {
  panel.querySelector('.filters').addEventListener('change', (event) => address.set({ [event.target.name]: event.target.value }));
}
addEventListener('popstate', show);

function hearJobs(given) {
  kinds.learn(given);
  lists.jobs.hear(given);
  lists['dead-letters'].hear(given);
  if (given.some((job) => job.batch_id === address.get('batch'))) batches.look();
  metrics.soon();
}

show();
if (address.tab === 'batches' && address.get('batch')) document.getElementById('batch').scrollIntoView({ block: 'start' });
// counted on its tab, whichever is shown
if (address.tab !== 'dead-letters') letters.list.load();
openLine(project, {
  onBatches(given) {
    lists.batches.hear(given);
    if (given.some((batch) => batch.batch_id === address.get('batch'))) batches.look();
    metrics.soon();
  },
  onJobs: hearJobs,
  onInsights(given) {
    if (given.some((insight) => insight.batch_id === address.get('batch'))) batches.look();
  },
}, () => {
  lists[address.tab].refresh();
  batches.look();
  metrics.soon();
});

// The top of the pipeline page: the queue in numbers, the batches by state, the breakers.

import { count, put } from '../shared/format.js';
import { el, fill } from '../shared/elements.js';
import { breaker } from '../shared/signs.js';
import { age, milliseconds, things } from '../shared/words.js';

const numbers = document.getElementById('numbers');
const breakers = document.getElementById('breakers');

function number(name, text, aside) {
  put(numbers.querySelector(`[data-number="${name}"]`), text);
  const place = numbers.querySelector(`[data-aside="${name}"]`);
  if (place.textContent !== aside) place.textContent = aside;
}

export function drawNumbers({ jobs, batches, performance, circuit_breaker: found, dead_letter_queue: dead }, elapsed) {
  numbers.setAttribute('aria-busy', 'false');
  const oldest = jobs.oldest_pending_age_seconds;
  number('pending', count(jobs.pending), oldest === null ? 'none waits' : `the oldest for ${age(oldest + elapsed)}`);
  number('running', count(jobs.running), 'running on workers now');
  number('success', count(jobs.success_last_hour), jobs.failed_last_hour === 0 ? 'last hour; none failed for good' : `last hour; ${count(jobs.failed_last_hour)} failed for good`);
  const { avg_analysis_time_ms: mean, p95_analysis_time_ms: p95, avg_batch_size: size, claim_latency_ms: claim } = performance;
  number('analysis', milliseconds(mean), mean === null ? 'none in the last hour' : `mean; p95 ${milliseconds(p95)}`);
  document.getElementById('batch-size').textContent = size === null ? '' : `; ${things(Math.round(size), 'event')} each, last hour`;
  number('claim', milliseconds(claim), claim === null ? 'none finished in the last hour' : 'average, last hour');
  number('dead', count(dead.total), dead.total === 0 ? 'none' : `${count(dead.last_24_hours)} in the last 24 hours`);
  for (const place of document.querySelectorAll('[data-batches]')) put(place, count(batches[place.dataset.batches]));
  const rows = Object.entries(found);
  fill(breakers, rows, () => rows.map(breaker));
  breakers.hidden = rows.length === 0;
  document.getElementById('breakers-nothing').hidden = rows.length > 0;
}

/** The numbers cannot be had: the places say so, instead of waiting for ever. */
export function numbersAway() {
  numbers.setAttribute('aria-busy', 'false');
  for (const place of document.querySelectorAll('#numbers .skeleton, #flow .skeleton, #breakers .skeleton')) place.replaceWith(el('span', { class: 'sub' }, '—'));
}

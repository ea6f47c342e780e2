// Signs that say in one word whether something is well; the colour and the shape only repeat it.

import { count } from './format.js';
import { el } from './elements.js';
import { age, things, when } from './words.js';

const TONES = { CLOSED: 'good', HALF_OPEN: 'warn', OPEN: 'bad' };
const MEANINGS = {
  CLOSED: 'Calls go through.',
  HALF_OPEN: 'One trial call is allowed; the others wait for its result.',
  OPEN: 'Calls pause until the cool-down ends. Waiting jobs lose no attempt.',
};
/** How long a job may wait before the page says so: a worker that is awake takes it at once, one that is not within its poll. */
const WAITS_SECONDS = 60;

export const light = (tone) => el('span', { class: `light ${tone}`, 'aria-hidden': 'true' });

/** One circuit breaker as a row of the pipeline page. */
export function breaker([name, { state, failure_count: failures, last_state_change: since }]) {
  return el('li', { class: 'breaker', 'data-breaker': name },
    light(TONES[state] ?? 'warn'),
    el('div', {},
      el('p', {}, el('strong', {}, name), ' is ', el('strong', { class: TONES[state] }, state), ', ', failures > 0 ? `${things(failures, 'failure')} in a row` : 'no failure'),
      el('p', { class: 'sub' }, MEANINGS[state] ?? '', ...(since === null ? [' Not called yet.'] : [' Since ', when(since), '.']))));
}

/** Is Quadra well: the oldest job, dead letters, breakers. Each sign: {tone, name, value, word, href}. */
export function signs({ jobs, dead_letter_queue: dead, circuit_breaker: breakers }, elapsed) {
  const waits = jobs.oldest_pending_age_seconds;
  const oldest = waits === null ? 0 : waits + elapsed;
  const found = [
    {
      tone: oldest < WAITS_SECONDS ? 'good' : 'warn',
      name: 'oldest job',
      value: waits === null ? 'none waits' : `waits ${age(oldest)}`,
      href: '/pipeline/jobs',
    },
    { tone: dead.total === 0 ? 'good' : 'bad', name: 'dead letters', value: count(dead.total), href: '/pipeline/dead-letters' },
  ];
  for (const [name, { state }] of Object.entries(breakers)) {
    found.push({ tone: TONES[state] ?? 'warn', name: `breaker ${name}`, value: state, href: '/pipeline' });
  }
  return found;
}

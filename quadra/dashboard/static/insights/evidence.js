// The numbers a finding stands on, each with a word that says what it is. A number we have no word for is shown under its
// own name: better odd than missing.

import { count, duration } from '../shared/format.js';

const three = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const two = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });

const number = (value) => (Number.isInteger(value) ? count(value) : three.format(value));
const percent = (value) => `${value * 100 >= 10 || value === 0 ? Math.round(value * 100) : two.format(value * 100)} %`;
const usd = (value) => (value >= 1 ? `$${value.toFixed(2)}` : `$${two.format(value)}`);

/** In the unit of the smaller of the two rates of a finding. */
function rate(value, { rate: one = value, usual = value } = {}) {
  const smaller = Math.min(...[one, usual, value].filter((each) => each > 0));
  for (const [unit, seconds] of [['second', 1], ['minute', 60], ['hour', 3600]]) {
    if (smaller * seconds >= 1) return `${three.format(value * seconds)} a ${unit}`;
  }
  return `${three.format(value * 86_400)} a day`;
}

const WORDS = {
  share: ['Share now', percent], before: ['Share before', percent], of_browser: ['Share of this browser', percent],
  rate: ['Rate now', rate], usual: ['Usual', rate], times: ['Change factor', number],
  p95: ['p95 now', duration], slow: ['Slower than usual p95', number],
  number: ['Times', number], events: ['Events', number], people: ['People', number], failed: ['Failed', number], of: ['Out of', number],
  of_status: ['With this status', number], status: ['Status', String], batches: ['Batches compared with', number], z: ['Distance from usual (robust z)', number],
  hour: ['Hour from', String], days: ['Days compared with', number], most: ['Most on those days', number], total: ['In that hour', number],
  name: ['Name', String], group: ['Error', String], place: ['Mostly on', String], browser: ['Browser', String],
  single: ['With a single event', number], funnel: ['Funnel', String], stage: ['From stage', String], following: ['To stage', String], reached: ['Got there', number],
  survey: ['Survey', String], answers: ['Answers', number], now: ['Score now', number],
  model: ['Model', String], calls: ['Calls', number], bots: ['By bots', number],
};

/** Where a kind of finding means something else by a word. */
const OF_KIND = {
  'endpoint.slow': { usual: ['Usual p95', duration], of: ['Requests', number] },
  'hour.unusual': { usual: ['Usual in that hour', number] },
  'ai.dearer': { now: ['Cost per call now', usd], usual: ['Cost per call before', usd], total: ['All calls', usd] },
  'satisfaction.fell': { before: ['Score before', number] },
  'satisfaction.rose': { before: ['Score before', number] },
};
/** CSAT is a share of people, unlike the other scores. */
const CSAT = { now: ['Satisfied now', percent], before: ['Satisfied before', percent] };

/** [word, value] of each number of a finding. */
export function numbers({ kind, numbers: found }) {
  return Object.entries(found ?? {}).map(([name, value]) => {
    const given = (found.survey === 'CSAT' && CSAT[name]) || OF_KIND[kind]?.[name] || WORDS[name];
    const [word, write] = given ?? [name.replaceAll('_', ' '), number];
    return [word, typeof value === 'number' ? write(value, found) : String(value ?? '—')];
  });
}

/** What the sentence of a quiet batch says already. */
const SAID = new Set(['events', 'people']);
const FACTS = { events: 'events', people: 'people', sessions: 'sessions', failed: 'failed', bots: 'by bots' };

/** What the batch holds, in a few words: "25 events · 24 people …". `short` leaves out what stands beside it. */
export function summary(evidence, short = false) {
  const batch = evidence.asked_about ?? evidence;
  const found = Object.entries(FACTS).filter(([name]) => typeof batch[name] === 'number' && (batch[name] > 0 || name === 'events') && !(short && SAID.has(name)));
  const words = found.map(([name, word]) => `${count(batch[name])} ${batch[name] === 1 && word.endsWith('s') && word !== 'by bots' ? word.slice(0, -1) : word}`);
  const seconds = evidence.window_seconds ?? batch.seconds;
  if (!short && typeof seconds === 'number') words.push(`in ${duration(seconds * 1000)}`);
  if (!short && evidence.compared_with > 0) words.push(`compared with ${count(evidence.compared_with)} ${evidence.compared_with === 1 ? 'batch' : 'batches'} before`);
  return words.join(' · ');
}

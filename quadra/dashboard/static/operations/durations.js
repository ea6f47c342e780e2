// How long jobs take: as a histogram, and over time with releases and notes marked.

import { el } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { ask } from '../shared/rest.js';
import { milliseconds, things, when } from '../shared/words.js';
import { project, svg } from './deeds.js';

const place = document.getElementById('durations');
const says = document.getElementById('durations-says');
const form = document.getElementById('durations-of');
const HOUR_MS = 3_600_000;

function histogram(bars) {
  const used = bars.filter((bar) => bar.jobs > 0);
  const most = Math.max(1, ...used.map((bar) => bar.jobs));
  const name = (bar) => (bar.up_to_ms === null ? 'longer' : `up to ${milliseconds(bar.up_to_ms)}`);
  const rows = used.map((bar) => el('tr', {}, el('th', { scope: 'row' }, name(bar)),
    el('td', {}, el('meter', { min: '0', max: String(most), value: String(bar.jobs), 'aria-label': `${name(bar)}: ${things(bar.jobs, 'job')}` })), el('td', { class: 'n' }, count(bar.jobs))));
  return el('table', { class: 'spread', 'aria-label': 'Jobs by how long they took' }, el('tbody', {}, ...rows));
}

function overTime(points, happened, start, end) {
  const most = Math.max(1, ...points.map((point) => point.p95_ms));
  const x = (iso) => ((Date.parse(iso) - start) / (end - start)) * 1000;
  const line = (name, of) => svg('polyline', { class: name, points: points.map((point) => `${x(point.at).toFixed(1)},${(100 - (of(point) / most) * 96).toFixed(1)}`).join(' ') });
  const marks = happened.map(({ at, text }) => svg('line', { x1: x(at), x2: x(at), y1: 0, y2: 100 }, svg('title', {}, text)));
  const label = `Half of the jobs and 95 of 100 took at most so long, up to ${milliseconds(most)}; ${things(happened.length, 'mark')}`;
  const rows = points.map((point) => el('tr', {}, el('th', { scope: 'row' }, when(point.at)), el('td', { class: 'n' }, count(point.jobs)), el('td', { class: 'n' }, milliseconds(point.p50_ms)), el('td', { class: 'n' }, milliseconds(point.p95_ms))));
  const drawing = points.length > 1 ? svg('svg', { class: 'over-time', viewBox: '0 0 1000 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': label }, line('p95', (one) => one.p95_ms), line('p50', (one) => one.p50_ms), ...marks) : '';
  return el('div', {}, drawing || el('p', { class: 'sub' }, 'All of them ended in one period; a second one makes a line over time.'),
    drawing && el('p', { class: 'sub' }, `Upper line: 95 of 100 jobs took at most so long, ${milliseconds(most)} at most. Lower line: half of them.`),
    ...happened.map(({ at, text }) => el('p', { class: 'sub' }, when(at), `: ${text}`)),
    el('details', { class: 'fold' }, el('summary', {}, 'Table'), el('table', {}, el('thead', {}, el('tr', {}, ...['From', 'Jobs', 'Half', '95 of 100'].map((word) => el('th', { scope: 'col' }, word)))), el('tbody', {}, ...rows))));
}

export async function lookAtDurations() {
  const hours = Number(form.elements.hours.value);
  const end = Date.now();
  const start = end - hours * HOUR_MS;
  const [found, { annotations }] = await Promise.all([
    ask('/api/admin/durations', { kind: form.elements.kind.value, hours }), ask('/api/annotations', { project })]);
  const happened = annotations.filter(({ at }) => Date.parse(at) > start);
  says.textContent = found.jobs === 0 ? 'No job has ended well in this time' : `${things(found.jobs, 'job')} that ended well${found.cut ? ', the newest ones' : ''}. A dashed line marks a release or a note`;
  place.replaceChildren(...(found.jobs === 0 ? [] : [histogram(found.histogram), overTime(found.series, happened, start, end)]));
}

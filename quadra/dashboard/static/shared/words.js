// How the pipeline's things are written: times, ages, ids, states.

import { count, duration, inZone, moment, time } from './format.js';
import { el } from './elements.js';

const dayAndMinute = inZone({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const date = inZone({ dateStyle: 'short' });
const significant = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });

const sameDay = (one, other) => date(one) === date(other);
const isToday = (ms) => sameDay(ms, Date.now());

/** "10:41:02" today, "21 Nov, 10:41" otherwise. */
export const clock = (ms) => (isToday(ms) ? time(ms) : dayAndMinute(ms));

/** A <time>, or null where nothing is known. The full date is its title. */
export function when(iso) {
  if (!iso) return null;
  const ms = Date.parse(iso);
  return el('time', { datetime: iso, title: moment(ms) }, clock(ms));
}

/** "10:41:02 to 10:43:00", the second without the day it shares with the first. */
export function span(from, to) {
  if (!from || !to) return null;
  const [start, end] = [Date.parse(from), Date.parse(to)];
  if (clock(start) === clock(end)) return when(from);
  const oneDay = sameDay(start, end);
  const last = el('time', { datetime: to, title: moment(end) }, oneDay && !isToday(end) ? dayAndMinute(end).split(', ').at(-1) : clock(end));
  const both = el('span', {}, when(from), ' to ', last);
  return oneDay && !isToday(start) && both.firstChild.textContent.endsWith(last.textContent) ? when(from) : both;
}

/** "0.2 s", "3 min", "2 h 5 min", "3 d 4 h". */
export function age(seconds) {
  if (seconds < 10) return `${significant.format(Math.max(0, seconds))} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

/** Milliseconds; a dash where nothing was measured. */
export function milliseconds(value) {
  if (value === null || value === undefined) return '—';
  return value < 10 ? `${significant.format(value)} ms` : duration(value);
}

/** The end of an id: ids that were made together begin alike. */
export const shortId = (id) => `…${id.slice(-6)}`;

export const state = (word) => el('span', { class: 'state', 'data-state': word }, word);

export const things = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** The address of a page of this project. */
export function href(path, project, more = {}) {
  const query = new URLSearchParams({ project });
  for (const [name, value] of Object.entries(more)) if (value) query.set(name, value);
  return `${path}?${query}`;
}

export const batchHref = (project, batch) => href('/pipeline/batches', project, { batch });

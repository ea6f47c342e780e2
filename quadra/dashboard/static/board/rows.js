// Tables that most pages have: periods in rows, and names with a bar, a number and what became of it.

import { change } from '../shared/format.js';
import { wallClock } from './range.js';
import { named, number, period } from './words.js';

export const PERIODS = { hour: 'Hour', day: 'Day', week: 'Week from', month: 'Month' };

export const periodName = ({ interval, timezone }, at) => period(at, interval === 'day' || interval === 'week' ? 'date' : interval, timezone);

/** A series as a table: one row a period, the newest first, one column a series. `series`: [{name, values}]. */
export function periodTable(board, ats, series, write = number) {
  const rows = ats.map((at, place) => [
    periodName(board, at),
    ...series.map(({ values, format }) => (values[place] === undefined ? '—' : (format ?? write)(values[place]))),
  ]);
  const columns = [{ title: PERIODS[board.interval], ordered: 'down' }, ...series.map((one) => ({ title: named(one.name), n: true }))];
  return { columns, rows: rows.filter((_, place) => Date.parse(ats[place]) <= Date.now()).reverse() };
}

/** [name, value] pairs, the largest first as they come, each beside what it was before (a Map, or null). */
export function rankedTable(what, measure, pairs, before = null, { write = number, href = null } = {}) {
  const most = Math.max(...pairs.map(([, value]) => value), 0) || 1;
  const columns = [{ title: what }, { title: 'Share of the largest', hidden: true, bar: true }, { title: measure, n: true }];
  if (before) columns.push({ title: 'Before', n: true }, { title: 'Change', n: true });
  const rows = pairs.map(([name, value]) => {
    const cells = [{ text: named(name), href: href?.(name) }, { bar: value / most }, write(value)];
    if (before) {
      const was = before.get(name) ?? 0;
      cells.push(write(was), { text: change(value, was, { counted: write === number }).text });
    }
    return cells;
  });
  return { columns, rows };
}

/**
 * The axis of periods: their labels, and the place of the one that runs now. What has not begun yet is not drawn. Brushing
 * periods makes their days the time of the page.
 */
export function along(board, ats) {
  const { interval, timezone, range } = board;
  const labels = ats.map((at) => period(at, interval === 'hour' && range.days === 1 ? 'clock' : interval, timezone));
  const dayOf = (ms) => wallClock(timezone, ms)[0];
  const pick = (first, last) => board.address.change({
    range: null, days: null, interval: null, from: dayOf(Date.parse(ats[first])), to: last + 1 < ats.length ? dayOf(Date.parse(ats[last + 1]) - 1) : range.last,
  });
  return { labels, pick: board.shared ? null : pick, marks: marksOn(board, ats), running: range.running ? begun(ats.map((at) => ({ at }))).length - 1 : null };
}

/** What happened, in the periods in which it did: `marks` of a chart over these times. */
export function marksOn(board, ats) {
  const starts = ats.map((at) => Date.parse(at));
  const found = new Map();
  for (const { at, text } of board.happened.answer?.annotations ?? []) {
    const place = starts.findLastIndex((start) => start <= Date.parse(at));
    if (place >= 0) found.set(place, [...(found.get(place) ?? []), text]);
  }
  return [...found].map(([place, texts]) => ({ place, text: texts.join(' · ') }));
}

/** Of points in time those that have begun: the others are no zeros, they are not there yet. */
export const begun = (points) => points.filter(({ at }) => Date.parse(at) <= Date.now());

// The time that a page is about, in the project's time zone, and the time before it that it is compared with.
// While a range runs it is compared with the same part of the one before: today until now with yesterday until the same time. Of
// several days that time is of ten minutes, so that the question is the same for as long and its answer can be kept.

export const PRESETS = [[1, 'Today'], [7, 'Last 7 days'], [30, 'Last 30 days'], [90, 'Last 90 days'], [365, 'Last 365 days']];
/** Each with its first and last day, of [today, the weekday that a week begins with: 0 is Sunday]. One that runs ends today. */
export const NAMED = {
  yesterday: ['Yesterday', (today) => [moved(today, -1), moved(today, -1)]],
  week: ['This week', (today, weekStart) => [weekOf(today, weekStart), today]],
  'last-week': ['Last week', (today, weekStart) => [moved(weekOf(today, weekStart), -7), moved(weekOf(today, weekStart), -1)]],
  month: ['This month', (today) => [monthOf(today), today]],
  'last-month': ['Last month', (today) => [monthOf(moved(monthOf(today), -1)), moved(monthOf(today), -1)]],
  year: ['This year', (today) => [`${today.slice(0, 4)}-01-01`, today]],
  'last-year': ['Last year', (today) => [`${today.slice(0, 4) - 1}-01-01`, `${today.slice(0, 4) - 1}-12-31`]],
};
export const USUAL_DAYS = 30;
export const INTERVALS = ['hour', 'day', 'week', 'month'];

const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d\d-\d\d$/;

const clocks = new Map();

/** The wall clock of a zone as [date, time]: ["2026-11-24", "14:30"]. */
export function wallClock(zone, ms = Date.now()) {
  if (!clocks.has(zone)) {
    clocks.set(zone, new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
    }));
  }
  return clocks.get(zone).format(ms).split(' ');
}

export const moved = (date, days) => new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
const monthOf = (date) => `${date.slice(0, 7)}-01`;
const weekOf = (date, weekStart) => moved(date, -((new Date(`${date}T00:00:00Z`).getUTCDay() - weekStart + 7) % 7));
/** The same date a year before; 29 February is 28 February. */
const yearBefore = (date) => `${date.slice(0, 4) - 1}${date.slice(4) === '-02-29' ? '-02-28' : date.slice(4)}`;
const daysFrom = (first, last) => Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / DAY_MS) + 1;
export const isDate = (text) => DATE.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/**
 * {first, last, days, running, preset, name, asked, before}: `asked` and `before` are parameters of a question; first and last are
 * whole days, both in the range. `before` is of the same dates a year before, or of own ones, where the address says so.
 */
export function rangeOf(address, zone, usual = USUAL_DAYS, weekStart = 1) {
  const [today, time] = wallClock(zone);
  const name = Object.hasOwn(NAMED, address.get('range')) ? address.get('range') : null;
  const [from, to] = name ? NAMED[name][1](today, weekStart) : [address.get('from'), address.get('to')];
  const custom = isDate(from) && isDate(to) && from <= to;
  const given = Number(address.get('days'));
  const wanted = Number.isInteger(given) && given >= 1 && given <= 3660 ? given : usual;
  const last = custom ? to : today;
  const first = custom ? from : moved(today, 1 - wanted);
  const days = daysFrom(first, last);
  const running = first <= today && today <= last;
  const ofYear = address.get('compare') === 'year';
  const earlier = (date) => (ofYear ? yearBefore(date) : moved(date, -days));
  const own = { from: address.get('compare_from'), to: address.get('compare_to') };
  const ofOwn = address.get('compare') === 'own' && isDate(own.from) && isDate(own.to) && own.from <= own.to;
  return {
    first,
    last,
    days,
    running,
    preset: custom ? null : wanted,
    name,
    asked: custom ? { from, to } : { days: String(wanted) },
    before: ofOwn ? own : { from: earlier(first), to: running ? `${earlier(today)}T${days > 1 ? `${time.slice(0, -1)}0` : time}` : earlier(last) },
  };
}

/** The interval that is asked for, or the one that suits so many days. */
export function intervalOf(address, days) {
  const wanted = address.get('interval');
  if (INTERVALS.includes(wanted)) return wanted;
  if (days <= 2) return 'hour';
  return days <= 120 ? 'day' : days <= 800 ? 'week' : 'month';
}

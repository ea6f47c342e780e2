// The time that a page is about, in the project's time zone, and the time before it that it is compared with.
// While a range runs it is compared with the same part of the one before: today until now with yesterday until the same time.

export const PRESETS = [[1, 'Today'], [7, 'Last 7 days'], [30, 'Last 30 days'], [90, 'Last 90 days']];
export const USUAL_DAYS = 30;
export const INTERVALS = ['hour', 'day', 'week', 'month'];

const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d\d-\d\d$/;

/** The wall clock of a zone as [date, time]: ["2026-11-24", "14:30"]. */
export function wallClock(zone, ms = Date.now()) {
  const text = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
  }).format(ms);
  return text.split(' ');
}

export const moved = (date, days) => new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
const daysFrom = (first, last) => Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / DAY_MS) + 1;
const isDate = (text) => DATE.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/**
 * {first, last, days, running, preset, asked, before}: `asked` and `before` are parameters of a question; first and last are
 * whole days, both in the range.
 */
export function rangeOf(address, zone, usual = USUAL_DAYS) {
  const [today, time] = wallClock(zone);
  const from = address.get('from');
  const to = address.get('to');
  const custom = isDate(from) && isDate(to) && from <= to;
  const given = Number(address.get('days'));
  const wanted = Number.isInteger(given) && given >= 1 && given <= 3660 ? given : usual;
  const last = custom ? to : today;
  const first = custom ? from : moved(today, 1 - wanted);
  const days = daysFrom(first, last);
  const running = first <= today && today <= last;
  const end = moved(today, -days);
  return {
    first,
    last,
    days,
    running,
    preset: custom ? null : wanted,
    asked: custom ? { from, to } : { days: String(wanted) },
    before: { from: moved(first, -days), to: running ? `${end}T${time}` : moved(last, -days) },
  };
}

/** The interval that is asked for, or the one that suits so many days. */
export function intervalOf(address, days) {
  const wanted = address.get('interval');
  if (INTERVALS.includes(wanted)) return wanted;
  if (days <= 2) return 'hour';
  return days <= 120 ? 'day' : days <= 800 ? 'week' : 'month';
}

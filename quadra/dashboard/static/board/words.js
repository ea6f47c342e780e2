// How numbers, times and names of a lens are written. Periods are written in the project's time zone, moments in the reader's.

import { count, duration } from '../shared/format.js';

const decimals = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const oneDecimal = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const formats = new Map();

const known = (value) => value !== null && value !== undefined && Number.isFinite(Number(value));

export const number = (value) => (!known(value) ? '—' : Number.isInteger(value) ? count(value) : value > 0 && value < 0.005 ? '< 0.01' : decimals.format(value));
/** Per cent as the lenses say it: 0 to 100. */
export const percent = (value) => (!known(value) ? '—' : `${value > 0 && value < 0.1 ? '< 0.1' : oneDecimal.format(value)} %`);
/** How a rate differs from another: "+1.2 points". */
export function inPoints(now, before) {
  const by = Math.round((now - before) * 10) / 10;
  if (by === 0) return '±0 points';
  return `${by > 0 ? '+' : '−'}${Math.abs(by)} ${Math.abs(by) === 1 ? 'point' : 'points'}`;
}
export const milliseconds = (value) => (known(value) ? duration(value) : '—');
export const dollars = (value) => {
  if (!known(value)) return '—';
  return `$${value > 0 && value < 0.01 ? value.toPrecision(2) : new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value)}`;
};

/** "8 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function seconds(value) {
  if (!known(value)) return '—';
  if (value > 0 && value < 0.05) return '< 0.1 s';
  if (value < 60) return `${value < 10 && value > 0 ? oneDecimal.format(value) : Math.round(value)} s`;
  const whole = Math.round(value);
  const parts = whole < 3600 ? [[60, 'min'], [1, 's']] : whole < 86_400 ? [[3600, 'h'], [60, 'min']] : [[86_400, 'd'], [3600, 'h']];
  const [[big, bigName], [small, smallName]] = parts;
  const rest = Math.floor((whole % big) / small);
  return `${Math.floor(whole / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ''}`;
}

const SHAPES = {
  hour: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
  clock: { hour: '2-digit', minute: '2-digit' },
  day: { day: 'numeric', month: 'short' },
  week: { day: 'numeric', month: 'short' },
  month: { month: 'short', year: 'numeric' },
  date: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
};

/** The start of a period, as short as its axis allows. */
export function period(iso, interval, zone) {
  const key = `${interval} ${zone}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat('en-GB', { ...SHAPES[interval], timeZone: zone }));
  return formats.get(key).format(Date.parse(iso));
}

/** A calendar day without a zone: "2026-11-24" is "24 Nov". */
export const day = (date) => period(`${date}T12:00:00Z`, 'day', 'UTC');

/** What stands where a name is empty. */
export const named = (name, none = '(none)') => (name === '' || name === null || name === undefined ? none : String(name));

/** For axes and legends; whole names are in the table. */
export const shortened = (name, most = 28) => {
  const letters = [...named(name)];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
};

// How numbers and times are written, in one place, so that the same value reads the same everywhere.
// Times are in one zone: the page's, or the reader's where a page names none. Signs are spelled (+, −): colour never carries the meaning alone.

const whole = new Intl.NumberFormat('en');
const oneDecimal = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const atMostOne = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

let zone;
const written = new Map();

/** Times of this page are in the zone `name` from now on. */
export function useZone(name) {
  if (name === zone) return;
  zone = name;
  written.clear();
}

export function isZone(name) {
  try {
    return Boolean(name && new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    return false;
  }
}

/** A way to write moments, by the parts of Intl.DateTimeFormat. */
export const inZone = (parts) => (ms) => {
  if (!written.has(parts)) written.set(parts, new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: zone }));
  return written.get(parts).format(ms);
};

export const count = (value) => whole.format(value);
export const compact = (value) => (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value));
export const time = inZone({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const timeMinutes = inZone({ hour: '2-digit', minute: '2-digit' });
export const moment = inZone({ year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' });

export function perSecond(value) {
  if (value <= 0) return '0';
  if (value < 0.1) return '< 0.1';
  return value < 10 ? oneDecimal.format(value) : whole.format(Math.round(value));
}

export function duration(ms) {
  if (ms < 1000) return ms > 0 && ms < 0.5 ? '< 1 ms' : `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${oneDecimal.format(ms / 1000)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** "912 B", "19 MB", "1.2 GB". */
export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${atMostOne.format(size)} ${units[unit]}`;
}

export const signed = (value) => (value > 0 ? `+${whole.format(value)}` : value < 0 ? `−${whole.format(-value)}` : '±0');

/** Of fewer things per cent say nothing. */
const LEAST_BASE = 30;

/**
 * A change as people say it: percent, or "×13" once percents stop meaning anything, or "new" where nothing was before.
 * `counted`: both are counts of things; of few things the difference itself is said.
 */
export function change(now, before, { counted = true } = {}) {
  if (before === 0) return now === 0 ? { text: '—', direction: 'same' } : { text: 'new', direction: 'up' };
  const ratio = now / before;
  const direction = now > before ? 'up' : now < before ? 'down' : 'same';
  if (counted && before > 0 && before < LEAST_BASE) return { text: signed(now - before), direction };
  if (ratio >= 10) return { text: `×${whole.format(Math.round(ratio))}`, direction };
  const percent = Math.abs(ratio - 1) * 100;
  const sign = direction === 'up' ? '+' : direction === 'down' ? '−' : '±';
  const digits = percent < 0.05 && percent > 0 ? '< 0.1' : percent < 10 && percent > 0 ? oneDecimal.format(percent) : whole.format(Math.round(percent));
  return { text: `${sign}${digits} %`, direction };
}

/** Writes only what changed, and lets the place grow but never shrink: text beside a number stays where it is. */
export function put(element, text) {
  if (element.textContent === text) return;
  element.textContent = text;
  // Digits and signs are one "ch" wide; commas, points and spaces about half of it.
  const wide = text.length - 0.5 * (text.match(/[,.\s]/g) ?? []).length;
  const widest = Math.max(Number(element.dataset.widest || 0), wide);
  element.dataset.widest = widest;
  element.style.minWidth = `${widest}ch`;
}

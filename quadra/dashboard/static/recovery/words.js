// How recovery's things are written. A colour never stands alone: the word is beside it.

import { el } from '../shared/elements.js';

const SIGNS = { healthy: 'SUCCESS', degraded: 'SEALED', unhealthy: 'FAILED', not_enabled: '' };
const WORDS = { healthy: 'healthy', degraded: 'needs a look', unhealthy: 'not well', not_enabled: 'none' };

/** healthy, degraded, unhealthy or not_enabled as a sign and a word. */
export const verdict = (status, word = WORDS[status] ?? status) => el('span', { class: 'state', 'data-state': SIGNS[status] ?? '' }, word);

const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** "912 B", "19 MB", "1.2 GB". */
export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${numbers.format(size)} ${units[unit]}`;
}

export const command = (text) => el('code', {}, text);

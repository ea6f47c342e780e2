// How recovery's things are written. A colour never stands alone: the word is beside it.

import { el } from '../shared/elements.js';

const SIGNS = { healthy: 'SUCCESS', degraded: 'SEALED', unhealthy: 'FAILED', not_enabled: '' };
const WORDS = { healthy: 'healthy', degraded: 'needs a look', unhealthy: 'not well', not_enabled: 'none' };

/** healthy, degraded, unhealthy or not_enabled as a sign and a word. */
export const verdict = (status, word = WORDS[status] ?? status) => el('span', { class: 'state', 'data-state': SIGNS[status] ?? '' }, word);

export const command = (text) => el('code', {}, text);

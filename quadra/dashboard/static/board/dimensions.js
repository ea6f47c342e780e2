// What filters and the dimensions of visits are called.

import { named } from './words.js';

export const TITLES = {
  page: 'Page', entry_page: 'Entry page', exit_page: 'Exit page', hostname: 'Host', title: 'Title', channel: 'Channel', referrer: 'Referrer',
  utm_source: 'Source', utm_medium: 'Medium', utm_campaign: 'Campaign', utm_term: 'Term', utm_content: 'Content',
  country: 'Country', region: 'Region', browser: 'Browser', os: 'System', device_type: 'Device', language: 'Language', screen: 'Screen',
};
/** Of a visit as a whole: no event has them, so only questions about visits can be filtered by them. */
export const OF_VISITS = new Set(['page', 'entry_page', 'exit_page', 'hostname', 'channel', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content']);
export const OPS = {
  is: 'is', is_not: 'is not', contains: 'contains', not_contains: 'does not contain', gt: 'is more than', gte: 'is at least', lt: 'is less than', lte: 'is at most',
  set: 'has a value', not_set: 'has no value',
};
export const BARE = ['set', 'not_set'];

const countries = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' });

export function valueName(property, value) {
  return property === 'country' && /^[A-Z]{2}$/.test(value) ? countries.of(value) : named(value);
}

/** "Country is Germany or Austria" */
export function filterWords(property, op, values) {
  const title = TITLES[property] ?? property;
  return BARE.includes(op) ? `${title} ${OPS[op]}` : `${title} ${OPS[op]} ${values.map((value) => valueName(property, value)).join(' or ')}`;
}

// Names that the project's events really have, for what people choose from: events, properties, values.

import { ask } from '../shared/rest.js';
import { OF_VISITS } from './dimensions.js';

/** Fields that events of every kind may have. */
const FIELDS = ['event_type', 'event_name', 'kind', 'user_id', 'page_url', 'referrer', 'event_category', 'device_type', 'browser', 'os', 'session_id', 'success'];
const MOST = 200;
const cache = new Map();

function once(key, load) {
  if (!cache.has(key)) cache.set(key, load().catch((error) => { cache.delete(key); throw error; }));
  return cache.get(key);
}

/** The values of a property, or of what only visits have, in the range; the most frequent first. */
export function valuesOf(board, property) {
  const range = board.common();
  const within = { project: board.project, days: range.days, from: range.from, to: range.to };
  if (OF_VISITS.has(property)) {
    const params = { ...within, interval: 'whole', by: property, limit: MOST };
    return once(JSON.stringify(params), async () => (await ask('/api/analytics/visits', params)).rows.map(({ value }) => value));
  }
  const params = { ...within, interval: 'whole', breakdown: property, breakdown_limit: MOST };
  return once(JSON.stringify(params), async () => {
    const { series } = await ask('/api/analytics/trends', params);
    return series.map(({ label }) => label);
  });
}

export const eventNames = async (board) => (await valuesOf(board, 'event_name')).filter((name) => name !== '');

/** Fields, dimensions where the page is of visits, the properties of the latest events, and the traits of people. */
export async function properties(board) {
  const found = await once('properties', async () => {
    const [{ events }, { traits }] = await Promise.all([
      ask('/api/analytics/user/events', { project: board.project, limit: MOST, days: 90 }),
      ask('/api/analytics/user/traits', { project: board.project, limit: MOST }),
    ]);
    return [...events.flatMap((event) => Object.keys(event.properties ?? {})).sort(), ...traits.map(({ name }) => `person.${name}`)];
  });
  return [...new Set([...FIELDS, ...(board.bar.visits ? OF_VISITS : []), ...found])];
}

// Replicas as the primary and as they themselves tell it.

import { bytes, count } from '../shared/format.js';
import { el } from '../shared/elements.js';
import { age } from '../shared/words.js';
import { command, verdict } from './words.js';

/** [number, words] for the row of numbers. */
export function replicasInShort(status) {
  return [count(status.replica_count), verdict(status.overall_status, status.overall_status === 'not_enabled' ? 'not enabled' : undefined)];
}

const lag = (one) => [one.lag_seconds === null || one.lag_seconds === undefined ? null : `${age(one.lag_seconds)} behind`, one.lag_bytes === null ? null : bytes(one.lag_bytes)].filter(Boolean).join(', ') || '—';

export function replicas(status) {
  const parts = [el('p', {}, verdict(status.overall_status), ' ', status.message)];
  if (status.replicas.length > 0) {
    parts.push(el('ul', { class: 'plain' }, ...status.replicas.map((one) => el('li', {}, el('strong', {}, `${one.name} (${one.client_addr ?? 'local'})`), ' ', verdict(one.status), ` ${one.sync_state ?? ''}, ${lag(one)}. ${one.message}`))));
  }
  if (status.configured.length > 0) {
    parts.push(el('h3', {}, 'As reported by the replicas'), el('ul', { class: 'plain' }, ...status.configured.map((one) => el('li', {}, el('strong', {}, one.address), ' ', verdict(one.status), ` ${one.message}`))));
    parts.push(el('p', { class: 'sub' }, 'If the primary is lost: ', command(`quadra replica promote ${status.configured[0].address} --dry-run`)));
  }
  return parts;
}

// A deployment and an act as rows. A colour never stands alone: the word is beside it.

import { el } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { age, when } from '../shared/words.js';

const RESULTS = {
  running: ['RUNNING', 'running'], completed: ['SUCCESS', 'completed'], failed: ['FAILED', 'failed'], rolled_back: ['FAILED', 'rolled back'],
  succeeded: ['SUCCESS', 'helped'], given_up: ['FAILED', 'given up'], dry_run: ['PENDING', 'dry run'],
};
const BY = { cli: 'command', api: 'API', heal: 'the watcher' };
const ACTIONS = { restart: 'restart', scale_up: 'one more replica', clear_cache: 'clear the cache', rollback: 'roll back' };

function result(word, kind = null) {
  const [sign, text] = RESULTS[word] ?? ['', word];
  return el('span', { class: 'state', 'data-state': sign }, kind ? `${text} (${kind})` : text);
}

const cell = (label, className, ...children) => el('td', { 'data-label': label, class: className }, ...children);

/** The steps with their times, folded; figures are for `quadra rollout history`. */
function why(one) {
  const steps = one.steps.map((step) => `${step.name} ${age(step.seconds)}`).join(', ');
  const fold = steps ? el('details', { class: 'fold' }, el('summary', {}, 'Steps'), el('p', { class: 'sub' }, steps)) : null;
  return [el('span', {}, one.reason || '—'), fold].filter(Boolean);
}

export function deploymentRow(one) {
  const seconds = one.ended_at ? (Date.parse(one.ended_at) - Date.parse(one.started_at)) / 1000 : null;
  const asked = one.environment ? `${BY[one.trigger]}, ${one.environment}` : BY[one.trigger];
  return el('tr', {},
    el('th', { scope: 'row' }, when(one.started_at)),
    cell('Release', null, one.release, one.previous ? el('span', { class: 'sub' }, ` after ${one.previous}`) : null),
    cell('Result', null, result(one.status, one.failure_kind)),
    cell('Took', 'n', seconds === null ? '—' : age(seconds)),
    cell('Asked by', null, asked),
    cell('Why', null, ...why(one)));
}

export function actRow(one) {
  return el('tr', {},
    el('th', { scope: 'row' }, when(one.at)),
    cell('Action', null, ACTIONS[one.action] ?? one.action),
    cell('Of', null, one.target),
    cell('Result', null, result(one.outcome)),
    cell('Attempt', 'n', count(one.attempt)),
    cell('Why', null, one.reason));
}

export function nothingDeployed(releases, watcher) {
  const code = (text) => el('code', {}, text);
  if (watcher === null) return el('div', { class: 'nothing' }, el('p', {}, el('strong', {}, 'No watcher runs here. '), 'On the server: ', code('quadra rollout init --public-port 8080'), ', then ', code('quadra rollout watch'), '.'));
  if (releases.length === 0) return el('p', { class: 'nothing' }, 'No release yet. A release is a folder with bin/quadra in releases/ of the rollout.');
  return el('p', { class: 'nothing' }, 'Nothing was deployed yet. Choose a release above.');
}

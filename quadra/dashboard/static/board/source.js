// Where answers come from: the lenses of a project, or the link that somebody shared. What goes wrong is a `Refused`.

import { send } from '../shared/rest.js';
import { Together } from './together.js';
import { inTurn } from './turns.js';

export const FUNNELS = 'funnels/query';
export const SQL = 'sql';
/** Lenses whose questions are too long for an address. */
const POSTED = new Set([FUNNELS, SQL]);
const ANALYTICS = '/api/analytics/';

function queryOf(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) query.append(name, one);
  }
  return query;
}

/** A lens is asked by its path below /api/analytics; what begins with a slash is a path of its own. One that takes no project
 * is asked with the project null. Lenses that are asked in one moment are one request, but for statements, which may take long. */
export class ProjectSource {
  #together;

  constructor(project) {
    this.project = project;
    this.#together = new Together({
      alone: (question, signal) => this.#alone(question, signal),
      named: (_question, place) => `q${place}`,
      order: (questions) => ({ path: `${ANALYTICS}ask`, method: 'POST', body: { project, questions: Object.fromEntries(questions) } }),
    });
  }

  has() {
    return true;
  }

  /** A promise of the answer; it gets its turn unless `signal` ends it first. `later`: after all others of this moment. */
  ask(_key, { lens: path, params }, signal, { later = false } = {}) {
    const lens = path.startsWith(ANALYTICS) ? path.slice(ANALYTICS.length) : path;
    const question = { lens, params };
    return lens.startsWith('/') || lens === SQL ? this.#alone(question, signal) : this.#together.ask(question, signal, later);
  }

  #alone({ lens, params }, signal) {
    if (POSTED.has(lens)) {
      return inTurn(() => send(`${ANALYTICS}${lens}`, { method: 'POST', body: { ...params, project: this.project }, signal }), signal);
    }
    const path = lens.startsWith('/') ? lens : `${ANALYTICS}${lens}`;
    return inTurn(() => send(`${path}?${queryOf({ project: this.project, ...params })}`, { signal }), signal);
  }
}

/** Questions were saved with the page and are asked by their keys, those of one moment in one request as well. */
export class SharedSource {
  #path;
  #together;

  constructor(token, keys) {
    this.#path = `/share/${encodeURIComponent(token)}/data`;
    this.keys = new Set(keys);
    this.#together = new Together({
      alone: (key, signal) => this.#alone(key, signal),
      named: (key) => key,
      order: (asked) => ({ path: `${this.#path}?keys=${[...asked.keys()].map(encodeURIComponent).join(',')}` }),
    });
  }

  has(key) {
    return this.keys.has(key);
  }

  ask(key, { lens }, signal, { later = false } = {}) {
    return lens === SQL ? this.#alone(key, signal) : this.#together.ask(key, signal, later);
  }

  #alone(key, signal) {
    return inTurn(() => send(`${this.#path}/${encodeURIComponent(key)}`, { signal }), signal);
  }
}

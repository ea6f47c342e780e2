// Where answers come from: the lenses of a project, or the link that somebody shared. What goes wrong is a `Refused`.

import { send } from '../shared/rest.js';

export const FUNNELS = 'funnels/query';
export const SQL = 'sql';
/** Lenses whose questions are too long for an address. */
const POSTED = new Set([FUNNELS, SQL]);

function queryOf(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) query.append(name, one);
  }
  return query;
}

/** A lens is asked by its path below /api/analytics; what begins with a slash is a path of its own. One that takes no project
 * is asked with the project null. */
export class ProjectSource {
  constructor(project) {
    this.project = project;
  }

  has() {
    return true;
  }

  ask(_key, { lens, params }, signal) {
    if (POSTED.has(lens)) {
      return send(`/api/analytics/${lens}`, { method: 'POST', body: { ...params, project: this.project }, signal });
    }
    const path = lens.startsWith('/') ? lens : `/api/analytics/${lens}`;
    return send(`${path}?${queryOf({ project: this.project, ...params })}`, { signal });
  }
}

export class SharedSource {
  constructor(token, keys) {
    this.token = token;
    this.keys = new Set(keys);
  }

  has(key) {
    return this.keys.has(key);
  }

  ask(key, _question, signal) {
    return send(`/share/${encodeURIComponent(this.token)}/data/${encodeURIComponent(key)}`, { signal });
  }
}

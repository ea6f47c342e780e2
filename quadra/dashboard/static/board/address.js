// What a page shows stands in its address, so that every view can be bookmarked, shared and gone back to: range, interval,
// comparison, filters, and what the page itself adds. A shared page is given its address by the server instead.

import { CHANGED } from '../shared/carried.js';

/** The operator is the server's; without one a filter is for equality. */
const WHERE = /^where\[(.+?)\](?:\[(is_not|contains|not_contains|gt|gte|lt|lte|set|not_set|is)\])?$/s;
export const IS = 'is';

export const filterName = (property, op = IS) => (op === IS ? `where[${property}]` : `where[${property}][${op}]`);

export class Address {
  #values;
  #own;
  #hear = [];

  /** `given`: the parameters of a shared view; null where the browser's address counts. */
  constructor(given) {
    this.#own = given === null;
    this.#values = given === null ? new URLSearchParams(location.search) : pairs(given);
    if (this.#own) {
      addEventListener('popstate', () => {
        this.#values = new URLSearchParams(location.search);
        this.#tell();
      });
    }
  }

  get(name, fallback = '') {
    return this.#values.get(name) ?? fallback;
  }

  /** [{name, property, op, values: [value, …]}, …]; `name` is the parameter. */
  get filters() {
    return [...new Set(this.#values.keys())].flatMap((name) => {
      const [, property, op = IS] = WHERE.exec(name) ?? [];
      return property ? [{ name, property, op, values: this.#values.getAll(name) }] : [];
    });
  }

  /** One more value for a filter, which there may be already. */
  filterBy(property, value, op = IS) {
    const name = filterName(property, op);
    this.change({ [name]: [...new Set([...this.#values.getAll(name), value])] });
  }

  /** Parameter -> value or list of values, without the project: what a saved view keeps. */
  get kept() {
    const kept = {};
    for (const name of new Set(this.#values.keys())) {
      if (name === 'project') continue;
      const values = this.#values.getAll(name);
      kept[name] = values.length > 1 ? values : values[0];
    }
    return kept;
  }

  /** `{name: value}`; null, '' and [] take a parameter out, a list gives it several times. A filter may be for ''. */
  change(values, { replace = false } = {}) {
    const next = new URLSearchParams(this.#values);
    for (const [name, value] of Object.entries(values)) {
      next.delete(name);
      for (const one of [value].flat()) if (one !== null && (one !== '' || WHERE.test(name))) next.append(name, one);
    }
    if (next.toString() === this.#values.toString()) return;
    this.#values = next;
    if (this.#own) history[replace ? 'replaceState' : 'pushState'](null, '', `${location.pathname}?${next}`);
    this.#tell();
  }

  onChange(hear) {
    this.#hear.push(hear);
  }

  #tell() {
    for (const hear of this.#hear) hear();
    document.dispatchEvent(new Event(CHANGED));
  }
}

function pairs(given) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) for (const one of [value].flat()) found.append(name, one);
  return found;
}

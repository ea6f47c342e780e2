// Rows that are kept and changed in place, newest first. Nothing moves under a reader: while the list is pointed at,
// focused, unfolded or scrolled past its top, new rows wait and are counted, and rows that left stay where they are.

const MOST = 500;

export class Rows {
  #list;
  #how;
  #views = new Map();
  #waiting = new Map();
  #leaving = new Set();
  #pointed = false;
  #allowed = MOST;

  /** `how`: {key(item), at(item), build(item) → {element, draw(item)}, changed()}; `changed` is called after each move. */
  constructor(list, how) {
    this.#list = list;
    this.#how = how;
    const settle = () => this.settle();
    list.tabIndex = -1;
    list.addEventListener('pointerenter', (event) => {
      this.#pointed = event.pointerType === 'mouse' || event.pointerType === 'pen';
      settle();
    });
    list.addEventListener('pointerleave', () => {
      this.#pointed = false;
      settle();
    });
    list.addEventListener('focusin', settle);
    list.addEventListener('focusout', () => setTimeout(settle));
    list.addEventListener('toggle', settle, true);
    addEventListener('scroll', settle, { passive: true });
  }

  get size() {
    return this.#views.size;
  }

  /** How many wait to be shown. */
  get waiting() {
    return this.#waiting.size;
  }

  get held() {
    const list = this.#list;
    if (this.#views.size === 0 || list.getClientRects().length === 0) return false;
    const focused = list.contains(document.activeElement) && document.activeElement !== list;
    return this.#pointed || focused || list.querySelector('details[open]') !== null || list.getBoundingClientRect().top < 0;
  }

  has(key) {
    return this.#views.has(key) || this.#waiting.has(key);
  }

  /** Whether it is shown only because somebody is reading. */
  isLeaving(key) {
    return this.#leaving.has(key);
  }

  /** Whether it comes before the last row that is shown. */
  reaches(item) {
    const last = this.#list.lastElementChild;
    const view = last && this.#viewOf(last);
    return !view || compare(this.#order(item), view.order) <= 0;
  }

  clear() {
    this.#views.clear();
    this.#waiting.clear();
    this.#leaving.clear();
    this.#allowed = MOST;
    this.#list.replaceChildren();
  }

  /** Rows the reader asked for: shown at once, wherever they belong. How many were not there before. */
  put(items) {
    const before = this.#views.size;
    for (const item of items) this.#show(item);
    this.#allowed = Math.max(this.#allowed, this.#views.size);
    this.#how.changed();
    return this.#views.size - before;
  }

  /** News: known rows change in place, new ones come when nobody is disturbed. */
  hear(items) {
    for (const item of items) {
      const key = this.#how.key(item);
      this.#leaving.delete(key);
      if (this.#views.has(key)) this.#views.get(key).draw(item);
      else this.#waiting.set(key, item);
    }
    this.settle();
  }

  /** It does not belong here any more; it goes when nobody is disturbed. */
  leave(key) {
    this.#waiting.delete(key);
    if (this.#views.has(key)) this.#leaving.add(key);
    this.settle();
  }

  remove(key) {
    this.#views.get(key)?.element.remove();
    this.#views.delete(key);
    this.#leaving.delete(key);
    this.#how.changed();
  }

  settle() {
    if (!this.held) this.flush();
    else this.#how.changed();
  }

  /** Show what waits; rows at the end go, so that the page does not grow for ever. */
  flush() {
    for (const key of [...this.#leaving]) this.remove(key);
    for (const item of this.#waiting.values()) this.#show(item);
    this.#waiting.clear();
    while (this.#views.size > this.#allowed) {
      const last = this.#viewOf(this.#list.lastElementChild);
      this.remove(last.key);
      this.#how.dropped?.();
    }
    this.#how.changed();
  }

  element(key) {
    return this.#views.get(key)?.element;
  }

  #show(item) {
    const key = this.#how.key(item);
    const known = this.#views.get(key);
    this.#waiting.delete(key);
    if (known) {
      known.draw(item);
      return;
    }
    const view = { ...this.#how.build(item), key, order: this.#order(item) };
    view.element.dataset.key = key;
    this.#views.set(key, view);
    // older rows come at the end, news at the top: both are found at once
    let next = null;
    const last = this.#list.lastElementChild;
    if (last && compare(this.#viewOf(last).order, view.order) > 0) {
      next = this.#list.firstElementChild;
      while (compare(this.#viewOf(next).order, view.order) <= 0) next = next.nextElementSibling;
    }
    this.#list.insertBefore(view.element, next);
  }

  #viewOf(element) {
    return this.#views.get(element.dataset.key);
  }

  #order(item) {
    return [Date.parse(this.#how.at(item)), this.#how.key(item)];
  }
}

/** Below 0 where `a` stands above `b`: it is newer. */
function compare([aAt, aKey], [bAt, bKey]) {
  return bAt - aAt || (aKey > bKey ? -1 : aKey < bKey ? 1 : 0);
}

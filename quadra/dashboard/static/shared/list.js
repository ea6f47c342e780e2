// A list of the API on a page: loads, pages on by cursor, takes live news in, and says when there is nothing.

import { count } from './format.js';
import { logIn, say } from './problem.js';
import { Refused, ask } from './rest.js';
import { Rows } from '../pipeline/rows.js';

const PAGE = 50;
/** Pages looked through for one more row that is to be shown. */
const PAGES = 20;
const AGAIN_MS = 10_000;

export class List {
  #root;
  #how;
  #rows;
  #turn = 0;
  #cursor = null;
  #total = 0;
  #loaded = false;
  #busy = false;
  #added = 0;
  #again = null;

  /**
   * `how`: {path, name (of the array in the answer), params() of the question, key, at, build(item) as in Rows,
   * shows(item): whether it belongs here, nothing(): what to say when there is none, heard(items)?: told of each answer,
   * counted(total)?: told how many there are, partly()?: whether the total means nothing to the reader}
   */
  constructor(root, how) {
    this.#root = root;
    this.#how = how;
    this.#rows = new Rows(this.#part('rows'), {
      key: how.key,
      at: how.at,
      build: how.build,
      changed: () => this.#draw(),
      dropped: () => { this.#cursor = ''; },
    });
    this.#part('more').addEventListener('click', () => this.more());
    this.#part('new').addEventListener('click', () => this.#showNew());
    root.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#rows.waiting > 0) this.#showNew();
    });
  }

  get rows() {
    return this.#rows;
  }

  get loaded() {
    return this.#loaded;
  }

  /** From the beginning: another filter, or the first time. */
  async load() {
    this.#loaded = false;
    await this.#fetch(null, (answer) => {
      this.#rows.clear();
      this.#loaded = true;
      this.#accept(answer);
    });
    await this.#fillUp();
  }

  /** What changed meanwhile, without moving anything that is being read. */
  async refresh() {
    if (!this.#loaded) return this.load();
    return this.#fetch(null, (answer) => {
      const items = answer[this.#how.name];
      // a gap of more than a page: what stands here does not join on to what is new
      if (!items.some((item) => this.#rows.has(this.#how.key(item)))) {
        this.#rows.clear();
        this.#accept(answer);
        return;
      }
      this.#total = answer.total;
      this.#how.heard?.(items);
      this.hear(items, false);
    });
  }

  /** One page further down. */
  async more() {
    await this.#fetch(this.#cursor, (answer) => this.#accept(answer));
    await this.#fillUp();
  }

  /** Items as they are now, from the server: by the socket, or by an answer. */
  hear(items, counting = true) {
    if (!this.#loaded) return;
    const news = [];
    for (const item of items) {
      const key = this.#how.key(item);
      const known = this.#rows.has(key);
      if (!this.#how.shows(item)) {
        if (!known) continue;
        if (counting && !this.#rows.isLeaving(key)) this.#total = Math.max(0, this.#total - 1);
        news.push(item);
        continue;
      }
      // further down than what is loaded: it is there when the reader gets there
      if (!known && this.#cursor !== null && !this.#rows.reaches(item)) continue;
      if (counting && (!known || this.#rows.isLeaving(key))) this.#total += 1;
      news.push(item);
    }
    this.#rows.hear(news);
    for (const item of news) if (!this.#how.shows(item)) this.#rows.leave(this.#how.key(item));
  }

  /** The reader's own doing: it is gone at once. */
  remove(key) {
    if (!this.#rows.has(key)) return;
    if (!this.#rows.isLeaving(key)) this.#total = Math.max(0, this.#total - 1);
    this.#rows.remove(key);
  }

  #accept(answer) {
    const items = answer[this.#how.name];
    this.#total = answer.total;
    this.#cursor = answer.cursor;
    this.#how.heard?.(items);
    this.#added = this.#rows.put(items.filter(this.#how.shows));
  }

  /** A filter of this page may have left nothing of a whole page, or of several. */
  async #fillUp() {
    for (let pages = 0; this.#loaded && this.#added === 0 && this.#cursor !== null && pages < PAGES; pages += 1) {
      if (!await this.#fetch(this.#cursor, (answer) => this.#accept(answer))) return;
    }
  }

  /** Whether it was answered, and the answer still wanted. */
  async #fetch(cursor, use) {
    this.#turn += 1;
    const turn = this.#turn;
    clearTimeout(this.#again);
    this.#busy = true;
    this.#draw();
    try {
      const answer = await ask(this.#how.path, { ...this.#how.params(), limit: PAGE, cursor });
      if (turn !== this.#turn) return false;
      this.#busy = false;
      use(answer);
      say(this.#how.path, null);
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (turn !== this.#turn) return false;
      this.#busy = false;
      if (error.status === 401) say(this.#how.path, 'You are logged out.', logIn());
      else {
        say(this.#how.path, `${error.message} Retrying in ${AGAIN_MS / 1000} s.`);
        this.#again = setTimeout(() => this.refresh(), AGAIN_MS);
      }
      return false;
    } finally {
      this.#draw();
    }
  }

  #draw() {
    const { waiting, held, size } = this.#rows;
    const button = this.#part('new');
    button.hidden = waiting === 0;
    button.textContent = `${count(waiting)} new`;
    this.#part('paused').hidden = !held || waiting > 0;
    this.#root.setAttribute('aria-busy', String(this.#busy));
    const more = this.#part('more');
    more.hidden = !this.#loaded || this.#cursor === null;
    more.disabled = this.#busy;
    const shown = this.#part('shown');
    const words = !this.#loaded || size === 0 ? '' : this.#how.partly?.() ? `${count(size)} shown` : `${count(size)} of ${count(Math.max(this.#total, size))}`;
    if (shown.textContent !== words) shown.textContent = words;
    if (this.#loaded) this.#how.counted?.(Math.max(this.#total, size));
    const nothing = this.#part('nothing');
    const none = this.#loaded && size === 0 && !this.#busy;
    const table = this.#part('rows').closest('table');
    if (table) table.hidden = none;
    if (nothing.hidden === none) {
      nothing.hidden = !none;
      if (none) nothing.replaceChildren(...[this.#how.nothing()].flat());
    }
  }

  #showNew() {
    this.#rows.flush();
    this.#part('rows').focus({ preventScroll: true });
    this.#root.scrollIntoView({ block: 'start' });
  }

  #part(name) {
    return this.#root.querySelector(`[data-${name}]`);
  }
}

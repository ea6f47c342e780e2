// The numbers of the pipeline, asked for when something moved, and now and then all the same. Never faster than every two
// seconds: they count the whole queue.

import { logIn, say } from './problem.js';
import { Refused, ask } from './rest.js';

const PATH = '/api/admin/metrics';
const PAUSE_MS = 2000;
const EVERY_MS = 30_000;

export class Metrics {
  #draw;
  #away;
  #known = null;
  #at = 0;
  #timer = null;
  #asking = false;

  /** `draw(metrics, seconds since they were measured)` is called each second. `away(error)` where they may not be seen. */
  constructor(draw, away = null) {
    this.#draw = draw;
    this.#away = away;
    this.#ask();
    setInterval(() => this.soon(), EVERY_MS);
    setInterval(() => this.#show(), 1000);
    document.addEventListener('visibilitychange', () => this.soon());
  }

  /** Something moved. */
  soon() {
    if (this.#timer !== null || document.hidden) return;
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, this.#at + PAUSE_MS - Date.now()));
  }

  async #ask() {
    this.#timer ??= 0;
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.#known = await ask(PATH);
      say(PATH, null);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#tell(error);
    } finally {
      this.#at = Date.now();
      this.#asking = false;
      this.#timer = null;
    }
    this.#show();
  }

  #tell(error) {
    if (this.#away) this.#away(error);
    else if (error.status === 401) say(PATH, 'You are logged out.', logIn());
    else say(PATH, `${error.message} Retrying in ${EVERY_MS / 1000} s.`);
  }

  #show() {
    if (this.#known && !document.hidden) this.#draw(this.#known, (Date.now() - this.#at) / 1000);
  }
}

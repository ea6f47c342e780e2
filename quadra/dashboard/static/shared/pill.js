// The connection pill: the state in words, the rate beside it, and what was caught up after a gap.
// Only changes of state are spoken to screen readers; a rate that changes ten times a second is not.

import { count, put, time } from './format.js';

const CAUGHT_UP_MS = 6000;
const STALE_AFTER_MS = 3000;

export class Pill {
  #pill = document.getElementById('connection');
  #text = document.getElementById('connection-text');
  #number = document.getElementById('connection-rate');
  #unit = document.getElementById('connection-unit');
  #spoken = document.getElementById('connection-spoken');
  #state = 'connecting';
  #rate = '0';
  #since = Date.now();
  #caughtUp = null;

  state(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = Date.now();
    this.#pill.dataset.state = state;
    this.#pill.removeAttribute('href');
    if (state === 'signed-out') this.#pill.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    this.draw();
    // What was missed is said before the connection is live again, and says more than that.
    if (state === 'live' && this.#caughtUp) return;
    this.#spoken.textContent = { live: 'Live', reconnecting: 'Connection lost, reconnecting', 'signed-out': 'Logged out', refused: 'Not shown' }[state] ?? '';
  }

  rate(text) {
    this.#rate = text;
    this.draw();
  }

  caughtUp(missed) {
    if (missed === 0) return;
    this.#caughtUp = { text: `caught up ${count(missed)} missed ${missed === 1 ? 'event' : 'events'}`, until: Date.now() + CAUGHT_UP_MS };
    this.#spoken.textContent = this.#caughtUp.text;
    this.draw();
  }

  /** Called each second too, so that a message ends and a long gap says since when. */
  draw() {
    if (this.#caughtUp && Date.now() > this.#caughtUp.until) this.#caughtUp = null;
    const words = this.#words();
    const plain = this.#state === 'live' && !this.#caughtUp;
    this.#number.hidden = this.#unit.hidden = !plain;
    if (this.#text.textContent !== words) this.#text.textContent = words;
    put(this.#number, this.#rate);
  }

  #words() {
    if (this.#state === 'connecting') return 'connecting…';
    if (this.#state === 'signed-out') return 'logged out · log in again';
    if (this.#state === 'refused') return 'not shown';
    if (this.#state === 'reconnecting') {
      return Date.now() - this.#since > STALE_AFTER_MS ? `reconnecting… · as of ${time(this.#since)}` : 'reconnecting…';
    }
    if (this.#caughtUp) return this.#caughtUp.text;
    return 'live · ';
  }
}

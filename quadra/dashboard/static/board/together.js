// Questions that a page asks in one moment: one request. The server looks once at the events, reads once what questions have in
// common, and answers one after another. Each is answered, or refused, by itself, and shown as soon as it is there.

import { Refused, sendForLines } from '../shared/rest.js';
import { inTurn } from './turns.js';

const MOST = 20;
// They share the time that the server gives to one question (QUERY_TIMEOUT, 30 s unless set).
const PATIENCE_MS = 40_000;
/** What is left of the time or the size of all is too little for one, which may ask for all of it. */
const BY_ITSELF = ['query_timeout', 'too_large'];

export class Together {
  #waiting = [];

  /** `alone(question, signal)` asks one by itself. `named(question, place)` is its key among several; `order(questions)`, of
   * questions by key, is the path and the options of one request for all. */
  constructor({ alone, named, order }) {
    Object.assign(this, { alone, named, order });
  }

  /** With `later` it comes after all that are asked in the same moment without. */
  ask(question, signal, later = false) {
    return new Promise((answer, refuse) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#send());
      this.#waiting.push({ question, signal, later, answer, refuse });
    });
  }

  #send() {
    const all = this.#waiting.splice(0).sort((one, other) => one.later - other.later);
    while (all.length > 0) this.#sendThese(all.splice(0, MOST));
  }

  #alone({ question, signal, answer, refuse }) {
    this.alone(question, signal).then(answer, refuse);
  }

  async #sendThese(asked) {
    if (asked.length === 1) {
      this.#alone(asked[0]);
      return;
    }
    const ended = new AbortController();
    const stop = () => asked.every(({ signal }) => signal.aborted) && ended.abort();
    for (const { signal } of asked) signal.addEventListener('abort', stop);
    const [first] = asked;
    const waiting = new Map();
    for (const [place, one] of asked.entries()) {
      const key = this.named(one.question, place);
      if (waiting.has(key)) this.#alone(one);
      else waiting.set(key, one);
    }
    const take = ({ key, answer, error }) => {
      const one = waiting.get(key);
      waiting.delete(key);
      if (!error) one.answer(answer);
      else if (BY_ITSELF.includes(error.code) && one !== first) this.#alone(one);
      else one.refuse(new Refused(error.message, error.status, error));
    };
    try {
      const { path, ...options } = this.order(new Map([...waiting].map(([key, { question }]) => [key, question])));
      const whole = await inTurn(() => sendForLines(path, { ...options, signal: ended.signal, patience: PATIENCE_MS }, take), ended.signal);
      // an older release, while a new one is rolled out, answers all at once
      for (const [key, answer] of Object.entries(whole?.answers ?? {})) take({ key, answer });
      for (const [key, error] of Object.entries(whole?.errors ?? {})) take({ key, error });
      for (const { refuse } of waiting.values()) refuse(new Refused('Quadra did not answer to the end.'));
    } catch (error) {
      for (const { refuse } of waiting.values()) refuse(error);
    } finally {
      for (const { signal } of asked) signal.removeEventListener('abort', stop);
    }
  }
}

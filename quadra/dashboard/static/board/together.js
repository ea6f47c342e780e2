// Questions that a page asks in one moment and that read the same events: one request, so that the server reads them once.
// Each is answered, or refused, by itself.

import { Refused, send } from '../shared/rest.js';
import { inTurn } from './turns.js';

const MOST = 20;
// They share the time that the server gives to one question (QUERY_TIMEOUT, 30 s unless set), and answer all at once.
const PATIENCE_MS = 40_000;

export class Together {
  #waiting = [];

  /** `alone(question, signal)` asks one by itself. */
  constructor(project, alone) {
    this.project = project;
    this.alone = alone;
  }

  ask(question, signal) {
    return new Promise((answer, refuse) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#send());
      this.#waiting.push({ question, signal, answer, refuse });
    });
  }

  #send() {
    const all = this.#waiting.splice(0);
    while (all.length > 0) this.#sendThese(all.splice(0, MOST));
  }

  async #sendThese(asked) {
    if (asked.length === 1) {
      const [{ question, signal, answer, refuse }] = asked;
      this.alone(question, signal).then(answer, refuse);
      return;
    }
    const ended = new AbortController();
    const stop = () => asked.every(({ signal }) => signal.aborted) && ended.abort();
    for (const { signal } of asked) signal.addEventListener('abort', stop);
    const questions = Object.fromEntries(asked.map(({ question: { lens, params } }, place) => [`q${place}`, { lens, params }]));
    try {
      const body = { project: this.project, questions };
      const { answers, errors } = await inTurn(() => send('/api/analytics/ask', { method: 'POST', body, signal: ended.signal, patience: PATIENCE_MS }), ended.signal);
      asked.forEach(({ answer, refuse }, place) => {
        const wrong = errors[`q${place}`];
        if (wrong) refuse(new Refused(wrong.message, wrong.status, wrong));
        else answer(answers[`q${place}`]);
      });
    } catch (error) {
      for (const { refuse } of asked) refuse(error);
    } finally {
      for (const { signal } of asked) signal.removeEventListener('abort', stop);
    }
  }
}

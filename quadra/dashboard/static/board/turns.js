// A page asks a few questions at once, not all of them: the server answers only so many at the same time, and other people ask
// too. Where it is busy all the same, the page waits a little and asks again.

const AT_ONCE = 3;
const PAUSE_MS = 2000;
const ATTEMPTS = 3;

const waiting = [];
let running = 0;

/** `ask()` is a promise of an answer; it gets its turn unless `signal` ends it first. */
export async function inTurn(ask, signal) {
  if (running >= AT_ONCE) await new Promise((go) => { waiting.push(go); });
  else running += 1;
  try {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        return await ask();
      } catch (error) {
        if (error.code !== 'busy' || attempt === ATTEMPTS) throw error;
        await new Promise((go) => { setTimeout(go, PAUSE_MS); });
      }
    }
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

// Keeps a page true while events arrive: what is shown is asked again, quietly, a few seconds after something came in,
// and not more often than that; the dearer the questions, the longer the pause.

import { openLine } from '../shared/live_line.js';

const PAUSE_MS = 4000;
/** Of the time, at the most, that may go into asking. */
const SHARE = 0.1;

/** `refresh()` is a promise of everything being asked again; `hear`: what else the page listens to. */
export function keepFresh(project, runs, refresh, hear = {}) {
  let due = null;
  let asking = false;
  let pause = PAUSE_MS;
  let waiting = false;

  async function turn() {
    due = null;
    if (asking || document.hidden || !runs()) {
      waiting = true;
      return;
    }
    asking = true;
    waiting = false;
    const began = performance.now();
    await refresh();
    pause = Math.max(PAUSE_MS, (performance.now() - began) / SHARE);
    asking = false;
    if (waiting) moved();
  }

  function moved() {
    waiting = true;
    due ??= setTimeout(turn, pause);
  }

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && waiting) moved();
  });
  openLine(project, { ...hear, onUpdate: moved, onField: moved, onCatchUp: ({ missed }) => missed > 0 && moved() }, moved, (arrived) => arrived && moved());
}

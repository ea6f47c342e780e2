// The live connection of a page that shows the pipeline: its pill, its troubles, and what to do while it is away.

import { Arrivals } from './arrivals.js';
import { connect } from './connection.js';
import { perSecond } from './format.js';
import { Pill } from './pill.js';
import { NO_LIBRARY, say, sayState } from './problem.js';

const REFRESH_MS = 30_000;
const A_SECOND_MS = 1000;

/** `hear`: {onUpdate, onCatchUp, onBatches, onJobs, onInsights, onDeployment}, as they come. `refresh()` is called after each gap, and while there is
 * no line; `first(arrived)` instead, where it is given, when the line is there for the first time: whether an event came since the page began. */
export function openLine(project, hear, refresh, first = refresh) {
  const pill = new Pill();
  const arrivals = new Arrivals();
  let live = false;
  let wasLive = false;
  let fresh = true;

  if (!window.io) {
    pill.state('refused');
    say('connection', NO_LIBRARY);
  } else {
    connect({
      path: document.body.dataset.socketPath,
      project,
      ...hear,
      onState(state, reason) {
        if (state === 'live' && !live && wasLive) refresh();
        live = state === 'live';
        wasLive ||= live;
        if (!live && wasLive) arrivals.lost();
        pill.state(state);
        sayState(state, reason);
      },
      onSnapshot(snapshot) {
        arrivals.replace(snapshot.series, snapshot.at);
        // what moved between the first answer and the first join is missing as well
        if (fresh) first(snapshot.series.some(([second, count]) => count > 0 && second * 1000 > snapshot.at - performance.now() - A_SECOND_MS));
        fresh = false;
      },
      onUpdate(update) {
        arrivals.merge(update.series, update.at);
        hear.onUpdate?.(update);
      },
    });
  }

  setInterval(() => {
    if (wasLive) pill.rate(perSecond(arrivals.recentRate()));
    pill.draw();
  }, 1000);
  setInterval(() => {
    if (!live && !document.hidden) refresh();
  }, REFRESH_MS);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !live) refresh();
  });
}

// The live page, put together: messages change what we know at once, and one frame later what is drawn.
// Totals are always the server's absolute values; this page never adds anything up.

import { Noticed } from '../insights/noticed.js';
import { Arrivals } from '../shared/arrivals.js';
import { ArrivalsChart } from './chart.js';
import { connect } from '../shared/connection.js';
import { Feed } from './feed.js';
import { showStart } from './first_event.js';
import { perSecond } from '../shared/format.js';
import { drawRate, drawTotals } from './key_numbers.js';
import { Pill } from '../shared/pill.js';
import { NO_LIBRARY, say, sayState } from '../shared/problem.js';
import { Refused, ask } from '../shared/rest.js';
import { Types } from './types.js';

const MARKS_EVERY_MS = 30_000;
const live = document.getElementById('live');

const arrivals = new Arrivals();
const chart = new ArrivalsChart(arrivals, live.dataset.echarts);
const feed = new Feed();
const pill = new Pill();
const types = new Types();
const noticed = new Noticed(live.dataset.project);

let known = null;
let rate = 0;
let updatedAt = 0;
let connected = false;
let framed = false;

function draw() {
  framed = false;
  if (!known) return;
  drawTotals(known);
  types.draw(known.byType);
  drawArrivals();
  const { today, yesterday } = known.totals;
  showStart(today === 0 && yesterday === 0 && known.byType.length === 0 && feed.empty);
}

function drawArrivals() {
  drawRate(rate, arrivals.summary());
  pill.rate(perSecond(rate));
  chart.draw();
}

function soon() {
  if (framed) return;
  framed = true;
  requestAnimationFrame(draw);
}

function learn(snapshot) {
  known = snapshot;
  rate = snapshot.eventsPerSecond;
  updatedAt = Date.now();
  soon();
}

const project = live.dataset.project;

if (!window.io) {
  pill.state('refused');
  say('connection', NO_LIBRARY);
} else {
  connect({
    path: document.body.dataset.socketPath,
    project,
    onState(state, reason) {
      connected = state === 'live';
      if (!connected && known) arrivals.lost();
      live.dataset.state = state;
      pill.state(state);
      sayState(state, reason);
    },
    onSnapshot(snapshot, latest) {
      arrivals.replace(snapshot.series, snapshot.at);
      feed.add(latest);
      feed.ready();
      live.setAttribute('aria-busy', 'false');
      learn(snapshot);
    },
    onUpdate(update) {
      arrivals.merge(update.series, update.at);
      learn(update);
    },
    onEvents(events) {
      feed.add(events);
      soon();
    },
    onCatchUp({ missed, events }) {
      feed.add(events);
      pill.caughtUp(missed);
      noticed.refresh();
      soon();
    },
    onBatches: () => noticed.moved(),
    onJobs: () => noticed.moved(),
    onInsights: (insights) => noticed.hear(insights),
  });
}

// Time passes without messages too: the chart moves on, and the rate follows it up and down.
function everySecond() {
  const untilNext = 1000 - (arrivals.now() % 1000);
  setTimeout(everySecond, untilNext + 5);
  pill.draw();
  if (!known || document.hidden) return;
  if (connected && Date.now() - updatedAt > 1000) rate = arrivals.recentRate();
  drawArrivals();
}
everySecond();

async function lookForMarks() {
  try {
    chart.mark((await ask('/api/annotations', { project, limit: 10 })).annotations);
  } catch (error) {
    if (!(error instanceof Refused)) throw error; // the connection says what is wrong
  }
}
lookForMarks();
setInterval(() => document.hidden || lookForMarks(), MARKS_EVERY_MS);
document.addEventListener('visibilitychange', soon);

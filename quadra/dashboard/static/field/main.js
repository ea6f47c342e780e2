// What is normal here, and how far the present is from it: the latest batches, the signals by the minute, the cells, drift.

import { grid, openBoard } from '../board/board.js';
import { choice, controls } from '../board/controls.js';
import { firstEvent } from '../board/empty.js';
import { lines } from '../board/options.js';
import { marksOn } from '../board/rows.js';
import { number, percent } from '../board/words.js';
import { el } from '../shared/elements.js';
import { time } from '../shared/format.js';
import { clock, things } from '../shared/words.js';
import { cellsMap, FAMILIES } from './cells_map.js';
import { signalPanel } from './signals.js';

const ANOMALOUS = 3.5;
const SIGNALS = [['events', 'How many events arrive?'], ['people', 'How many people are there?'], ['errors', 'How many errors happen?'], ['latency', 'How slow are requests?'], ['ai_cost', 'What does AI cost?']];

const training = el('p', { class: 'sub', role: 'status' });
const board = openBoard({
  ranged: false, compare: false, filters: false, bots: false,
  hear: { onTrainings: (found) => found.forEach(told) },
});

function told({ status, iteration, message, version }) {
  training.textContent = `Training: ${status}, ${things(iteration, 'iteration')}${version ? `, version ${version}` : ''}. ${message}`.trim();
}

const field = board.ask('field', () => ({ lens: '/api/field', params: {} }));
const drift = board.ask('drift', () => ({ lens: '/api/model/drift', params: {} }));
const versions = board.ask('versions', () => ({ lens: '/api/model/versions', params: {} }));
const signals = board.ask('signals', () => ({ lens: '/api/field/signals', params: { hours: board.address.get('hours', '6') } }));
const goals = board.ask('goals', () => ({ lens: '/api/goals', params: {} }));
let names = new Map();
goals.on(({ answer }) => {
  if (answer) names = new Map(answer.goals.map(({ id, name }) => [`goal:${id}`, name]));
});

const three = (value) => (value === null ? '—' : number(Math.round(value * 1000) / 1000));
const isEmpty = ({ readings }) => readings.length === 0;
const at = ({ readings }) => readings.map((one) => time(Date.parse(one.at)));
const over = (answer) => ({ labels: at(answer), marks: marksOn(board, answer.readings.map((one) => one.at)) });
const column = ({ readings }, name) => readings.map((one) => one[name]);
const table = (answer) => ({
  columns: [{ title: 'Batch read' }, { title: 'Events', n: true }, { title: 'Loss', n: true }, { title: 'Reward', n: true }, { title: 'Variance', n: true }, { title: 'Novelty', n: true }],
  rows: answer.readings.map((one) => [clock(Date.parse(one.at)), number(one.events), three(one.loss), three(one.reward), three(one.variance), three(one.novelty_z)]).reverse(),
});

const losses = board.panel({
  of: field,
  title: 'How different were the latest batches?',
  sub: ({ iterations, loss }) => `${things(iterations, 'batch', 'batches')} learned; loss of the latest ${three(loss)}: 0 the same, 1 nothing in common`,
  isEmpty,
  empty: firstEvent(board, 'No batch has been read yet. One is read moments after it is sealed.', { eventType: 'hello', userId: 'me' }),
  chart: (answer) => lines({ ...over(answer), series: [['Loss', 'loss'], ['Reward', 'reward'], ['Variance', 'variance']].map(([name, key]) => ({ name, values: column(answer, key) })), format: three, axis: three, unit: 'part' }),
  table,
});

const novelty = board.panel({
  of: field,
  title: 'How unusual were they?',
  sub: ({ readings }) => `Novelty; ${ANOMALOUS} and more is an anomaly. ${things(readings.filter(({ anomalous }) => anomalous).length, 'anomalous batch', 'anomalous batches')} of ${readings.length}`,
  isEmpty,
  empty: () => 'No batch has been read yet.',
  chart: (answer) => lines({ ...over(answer), series: [{ name: 'Novelty', values: column(answer, 'novelty_z') }, { name: 'Anomaly from here on', values: column(answer, 'novelty_z').map(() => ANOMALOUS), faint: true }], format: three, axis: three, unit: 'part' }),
  table,
});

const cells = board.panel({
  of: field,
  title: 'What is usual here?',
  sub: 'Each square is a cell; the stronger, the larger its usual share',
  isEmpty: (answer) => answer.cells.length === 0,
  empty: () => 'Nothing learned yet.',
  chart: (answer) => cellsMap(answer.cells),
  table: (answer) => ({
    columns: [{ title: 'Cell' }, { title: 'Of' }, { title: 'Usual share', n: true }, { title: 'Instability', n: true }],
    rows: [...answer.cells].sort((one, other) => other.share - one.share).slice(0, 100).map((one) => [one.label, FAMILIES[one.family], percent(one.share * 100), percent(one.instability * 100)]),
  }),
});

const drifted = board.panel({
  of: drift,
  title: 'How far has traffic come from its version?',
  sub: (answer) => (answer.drift === null ? '' : `Drift ${three(answer.drift)}; ${answer.threshold} and more is drift`),
  isEmpty: (answer) => answer.drift === null,
  empty: () => 'Train the model on history to compare with: quadra train.',
  table: (answer) => ({
    columns: [{ title: 'Cell' }, { title: 'Share now', n: true }, { title: 'In the version', n: true }],
    rows: answer.by_cell.map((one) => [one.label, percent(one.share * 100), percent(one.usual * 100)]),
  }),
});

const trained = board.panel({
  of: versions,
  title: 'Which versions are there?',
  isEmpty: ({ versions: found }) => found.length === 0,
  empty: () => 'None yet: quadra train makes one.',
  table: ({ versions: found }) => ({
    columns: [{ title: 'Version' }, { title: 'Made' }, { title: 'Batches', n: true }, { title: 'Events', n: true }, { title: 'Loss', n: true }],
    rows: found.map((one) => [`${one.version}${one.active ? ' (active)' : ''}`, clock(Date.parse(one.created_at)), number(one.iterations), number(one.events), three(one.loss)]),
  }),
});
trained.element.append(training);

const named = (name) => (answer) => {
  const found = answer.signals.find((one) => one.name === name);
  return found ? [found, found.title] : null;
};
const chosenGoal = (answer) => {
  const found = answer.signals.filter((one) => one.name.startsWith('goal:'));
  const one = found.find(({ name }) => name === `goal:${board.address.get('goal')}`) ?? found[0];
  return one ? [one, `Conversion of ${names.get(one.name) ?? 'a goal'}`] : null;
};

const panels = SIGNALS.map(([name, title]) => signalPanel(board, signals, title, named(name)));
const conversions = signalPanel(board, signals, 'How many people reach the goal?', chosenGoal);

const LONGEST_MS = 3000;
const all = [field, drift, versions, signals, goals];
const show = () => board.root.classList.remove('unseen');
// seen when all of it is there: how high a panel gets depends on what was learned, and it moves what is below it
board.root.classList.add('unseen');
for (const one of all) one.on(() => { if (!all.some(({ state }) => state === 'loading')) show(); });
setTimeout(show, LONGEST_MS);
board.start(
  controls(choice(board, 'hours', 'Signals of the last', [['6', '6 hours'], ['1', 'hour'], ['24', '24 hours'], ['48', '48 hours']])),
  panels[0],
  grid(panels[1], panels[2]),
  grid(panels[3], panels[4]),
  conversions,
  grid(losses, novelty),
  cells,
  grid(drifted, trained),
);

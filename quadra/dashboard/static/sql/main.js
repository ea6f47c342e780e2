// One statement over the project's events: as a table, as a chart where its first column names the others, and as CSV.

import { openBoard } from '../board/board.js';
import { bars } from '../board/options.js';
import { SQL } from '../board/source.js';
import { number } from '../board/words.js';
import { el } from '../shared/elements.js';
import { csv } from './csv.js';

const FIRST = 'SELECT name, count(*) AS events\nFROM events\nGROUP BY name\nORDER BY events DESC\nLIMIT 20';
const BARS = 40;
const board = openBoard({ compare: false, filters: false, bots: false });
const answered = board.ask('sql', (common) => {
  const sql = board.address.get('sql');
  return sql ? { lens: SQL, params: { ...common, sql } } : null;
});

const isNumber = (value) => typeof value === 'number';
const numeric = ({ columns, rows }) => columns.map((_, place) => rows.length > 0 && rows.every((row) => row[place] === null || isNumber(row[place])));
const written = (value) => (value === null ? '' : isNumber(value) ? number(value) : String(value));

const panel = board.panel({
  of: answered,
  title: 'What does it answer?',
  sub: ({ rows, truncated }) => `${truncated ? 'The first ' : ''}${number(rows.length)} ${rows.length === 1 ? 'row' : 'rows'}`,
  idle: 'Write a statement above and run it.',
  isEmpty: ({ rows }) => rows.length === 0,
  empty: () => 'It answers no rows.',
  tools: [csv(answered)],
  table: (answer) => {
    const numbers = numeric(answer);
    return { columns: answer.columns.map(({ name }, place) => ({ title: name, n: numbers[place] })), rows: answer.rows.map((row) => row.map(written)) };
  },
});

const drawn = board.panel({
  of: answered,
  title: 'How does it look?',
  sub: `The first column names the bars, numbers of the others are their lengths. The first ${BARS} rows`,
  idle: 'A statement whose second column is a number is drawn here.',
  isEmpty: (answer) => answer.columns.length < 2 || !numeric(answer).slice(1).includes(true),
  empty: () => 'A chart needs a column of numbers behind the first one.',
  chart: ({ columns, rows }) => bars({
    labels: rows.slice(0, BARS).map((row) => written(row[0]) || '(none)'),
    series: columns.map(({ name }, place) => ({ name, values: rows.slice(0, BARS).map((row) => row[place]) })).filter((_, place) => place > 0 && numeric({ columns, rows })[place]),
  }),
  table: (answer) => ({ columns: answer.columns.map(({ name }) => ({ title: name })), rows: answer.rows.slice(0, BARS).map((row) => row.map(written)) }),
});

function box() {
  const area = el('textarea', { name: 'sql', rows: 8, maxlength: 20000, required: true, spellcheck: 'false', autocomplete: 'off', class: 'statement', 'aria-label': 'Statement' });
  area.value = board.address.get('sql') || FIRST;
  const run = () => board.address.change({ sql: area.value.trim() || null });
  const form = el('form', { class: 'panel' }, el('div', { class: 'panel-head' }, el('h2', {}, 'Statement')),
    el('p', { class: 'sub' }, 'One SELECT over events, those of the range above. DESCRIBE events names its columns. Ctrl+Enter runs it.'), area,
    el('button', { class: 'button primary' }, 'Run'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (area.value.trim() === board.address.get('sql')) answered.refresh({ again: true });
    else run();
  });
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

const notice = () => el('p', { class: 'notice' }, 'Statements are for editors: ask an admin for that role, or open a view that an editor shared.');

if (board.shared) board.start(panel, drawn);
else if (board.acts) board.start(box(), panel, drawn);
else board.start(notice());

// What another tool counted before, day by day: beside our own numbers and never among them. Hidden where nothing was imported.

import { count } from '../shared/format.js';
import { named } from '../board/words.js';

const TOOLS = { plausible: 'Plausible', ga4: 'Google Analytics' };
const COLUMNS = 6;

export function importedPanel(board) {
  const totals = board.ask('imported', () => ({ lens: '/api/imported-totals', params: { from: board.range.first, to: board.range.last } }));
  const panel = board.panel({
    of: totals,
    title: 'What did another tool count?',
    sub: 'Imported daily totals. They are in no number above, and a person who came on two days is in both.',
    isEmpty: ({ totals: found }) => found.length === 0,
    table: ({ totals: found }) => {
      const names = [...new Set(found.flatMap(({ metrics }) => Object.keys(metrics)))].slice(0, COLUMNS);
      return {
        columns: [{ title: 'Day', ordered: 'down' }, { title: 'Counted by' }, ...names.map((name) => ({ title: named(name.replaceAll('_', ' ')), n: true }))],
        rows: [...found].reverse().map(({ day, tool, metrics }) => [day, TOOLS[tool] ?? tool, ...names.map((name) => (name in metrics ? count(metrics[name]) : '—'))]),
      };
    },
  });
  panel.element.hidden = true;
  totals.on(({ answer }) => { panel.element.hidden = !answer?.totals.length; });
  return panel;
}

// A signal by the minute: what came, within the band that was expected.

import { banded } from '../board/options.js';
import { marksOn } from '../board/rows.js';
import { dollars, milliseconds, number, percent } from '../board/words.js';
import { compact, timeMinutes } from '../shared/format.js';
import { things } from '../shared/words.js';

const FORMS = {
  count: { format: (value) => number(value < 10 ? Math.round(value * 10) / 10 : Math.round(value)), axis: compact, unit: 'whole' },
  ms: { format: milliseconds, axis: milliseconds, unit: 'part' },
  usd: { format: dollars, axis: dollars, unit: 'part' },
  percent: { format: percent, axis: (value) => `${value} %`, unit: 'part' },
};

const column = (points, name) => points.map((point) => point[name]);
const label = ({ at }) => timeMinutes(Date.parse(at));

function sentence({ points }) {
  const marked = points.filter(({ anomalous }) => anomalous);
  if (marked.length > 0) return `${things(marked.length, 'point')} outside of what was expected, the last at ${label(marked.at(-1))}`;
  return points.some(({ low }) => low !== null) ? 'The band is what was expected before each minute came' : 'Learning: the band begins after two hours';
}

/** `named(answer)`: [the signal, its title], or null where there is none. */
export function signalPanel(board, question, title, named) {
  const found = (answer) => named(answer)?.[0];
  return board.panel({
    of: question,
    title,
    size: 'low',
    sub: (answer) => (found(answer) ? sentence(found(answer)) : ''),
    isEmpty: (answer) => !found(answer)?.points.some(({ value }) => value !== null),
    empty: () => 'Nothing measured in this time.',
    chart(answer) {
      const [{ points, form }, name] = named(answer);
      return banded({ labels: points.map(label), marks: marksOn(board, points.map(({ at }) => at)), name, values: column(points, 'value'), low: column(points, 'low'), high: column(points, 'high'), marked: column(points, 'anomalous'), ...FORMS[form] });
    },
    table(answer) {
      const [{ points, form }] = named(answer);
      const { format } = FORMS[form];
      const shown = (value) => (value === null ? '—' : format(value));
      return {
        columns: [{ title: 'Minute' }, { title: 'Came', n: true }, { title: 'From', n: true }, { title: 'To', n: true }, { title: 'Anomaly' }],
        rows: points.map((one) => [label(one), shown(one.value), shown(one.low), shown(one.high), one.anomalous ? 'yes' : '']).reverse(),
      };
    },
  });
}

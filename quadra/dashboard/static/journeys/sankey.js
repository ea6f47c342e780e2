// A Sankey chart of moves: a place stands once for each step, so that the way always goes on to the right.

import { distinct } from '../board/labels.js';
import { hovered, text, tooltip } from '../board/options.js';
import { named, number, seconds } from '../board/words.js';

const key = (position, name) => `${position} ${name}`;
const nameOf = (id) => id.slice(id.indexOf(' ') + 1);

/**
 * The most frequent moves of each step, but for those that hang in the air because the ones before them are not among them. Each
 * step has its part of `most`: the first ones are the most frequent and left nothing of the last.
 */
export function connected(edges, most) {
  const reached = new Set();
  const steps = [...Map.groupBy(edges, ({ position }) => position).values()];
  return steps.flatMap((moves) => moves.slice(0, Math.ceil(most / steps.length))).sort((a, b) => a.position - b.position).filter(({ position, source, target }) => {
    const hangs = position > 1 && !reached.has(key(position, source));
    if (!hangs) reached.add(key(position + 1, target));
    return !hangs;
  });
}

/** `click(edge)` hears of one that was clicked. */
export function sankey(edges, click = null) {
  return (look, width) => {
    const ids = new Map();
    for (const { position, source, target } of edges) {
      ids.set(key(position, source), position);
      ids.set(key(position + 1, target), position + 1);
    }
    const names = [...ids.keys()].map(nameOf);
    const letters = Math.max(8, Math.floor(width / (Math.max(...ids.values()) + 1) / (0.62 * look.rem)));
    const short = distinct(names, letters);
    return {
      click: click && (({ dataType, dataIndex }) => dataType === 'edge' && click(edges[dataIndex])),
      tooltip: tooltip(look, {
        trigger: 'item',
        formatter: ({ dataType, data, value }) => (dataType === 'edge'
          ? hovered(`${named(nameOf(data.source))} → ${named(nameOf(data.target))}`, [[null, 'Sessions', number(data.value)], [null, 'Mean time', seconds(data.seconds)]])
          : hovered(named(nameOf(data.name)), [[null, 'Sessions', number(value)]])),
      }),
      series: [{
        id: 'ways', type: 'sankey', left: 4, right: `${Math.min(20, 100 / (Math.max(...ids.values()) + 1))}%`, top: 8, bottom: 8, nodeWidth: 0.7 * look.rem, nodeGap: 0.7 * look.rem, draggable: false,
        layoutIterations: 24, emphasis: { focus: 'adjacency' }, nodeAlign: 'left',
        data: [...ids].map(([name, position]) => ({ name, depth: position - 1, itemStyle: { color: look.series[(position - 1) % look.series.length], borderWidth: 0 } })),
        links: edges.map(({ position, source, target, count, average_seconds: took }) => ({ source: key(position, source), target: key(position + 1, target), value: count, seconds: took })),
        lineStyle: { color: 'source', opacity: 0.25, curveness: 0.5 },
        label: text(look, { color: look.ink, formatter: ({ name }) => short(nameOf(name)) }),
      }],
    };
  };
}

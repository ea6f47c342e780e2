// Which ways people take: from page to page and event to event within a session, and the journeys that senders record.

import { openBoard } from '../board/board.js';
import { choice, controls, field } from '../board/controls.js';
import { firstEvent } from '../board/empty.js';
import { eventNames, valuesOf } from '../board/names.js';
import { peopleBehind, peopleCell } from '../board/people.js';
import { named, number, seconds } from '../board/words.js';
import { recorded } from './recorded.js';
import { connected, sankey } from './sankey.js';
import { visits } from './visits.js';

const SHOWN = 60;
const board = openBoard();
const { address } = board;
const asked = () => address.get('steps', '5');
const given = (name) => (address.get(name) ? { [name]: address.get(name) } : {});

const paths = board.ask('paths', (common) => ({
  lens: 'paths',
  params: { ...common, include: address.get('include', 'page'), max_steps: asked(), limit: '1000', ...given('start'), ...given('end') },
}));
const places = async () => [...await valuesOf(board, 'page').catch(() => []), ...await eventNames(board).catch(() => [])].filter((name) => name !== '');

function who({ position, source, target }) {
  const { lens, params } = paths.asked().paths;
  peopleBehind(board, `${named(source)} → ${named(target)}, step ${position}`, { lens, params: { ...params, limit: '1', people_at: String(position), people_from: source, people_to: target } });
}

const ways = board.panel({
  of: paths,
  title: 'Which paths do people take?',
  sub: ({ edges }) => {
    const longest = 1 + Math.max(1, ...edges.map(({ position }) => position));
    const ends = longest < Number(asked()) ? `; no session has more than ${longest} steps` : '';
    return (edges.length > SHOWN ? `The most frequent of ${number(edges.length)} transitions; the table shows all` : 'Transitions within a session') + ends;
  },
  isEmpty: ({ edges }) => edges.length === 0,
  empty: firstEvent(board, 'No transitions between pages or events in this period.', [{ kind: 'page', userId: 'me', pageUrl: 'https://shop.example/' }, { kind: 'page', userId: 'me', pageUrl: 'https://shop.example/pricing' }]),
  size: 'tall',
  chart: ({ edges }) => sankey(connected(edges, SHOWN), board.shared ? null : who),
  table: ({ edges }) => ({
    columns: [{ title: 'From' }, { title: 'To' }, { title: 'Step', n: true }, { title: 'Sessions', n: true }, { title: 'Mean time', n: true }],
    rows: edges.map((edge) => [named(edge.source), { text: named(edge.target) }, `${edge.position} → ${edge.position + 1}`, peopleCell(board, number(edge.count), edge.count, () => who(edge), [edge.position, edge.source, edge.target]), seconds(edge.average_seconds)]),
  }),
});

const { numbers, pages } = visits(board);

board.start(
  numbers,
  controls(
    field(board, 'start', 'Beginning at', places, { placeholder: 'any start' }),
    field(board, 'end', 'Ending at', places, { placeholder: 'any end' }),
    choice(board, 'include', 'Of', [['page', 'page views'], ['event', 'events'], ['all', 'both']]),
    choice(board, 'steps', 'Steps', [['5', '5'], ['3', '3'], ['4', '4'], ['7', '7'], ['10', '10']]),
  ),
  ways,
  pages,
  ...recorded(board),
);

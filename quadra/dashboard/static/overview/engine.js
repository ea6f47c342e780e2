// What Quadra itself says: the newest insights, and signs of whether its queue is well.

import { brief, merged } from '../insights/card.js';
import { el } from '../shared/elements.js';
import { light, signs } from '../shared/signs.js';
import { href } from '../shared/words.js';

const SHOWN = 3;

/** Not of a shared page: insights are of the whole project, whatever is filtered. */
export function noticed(board, overview) {
  return board.panel({
    of: overview,
    title: 'What has Quadra noticed?',
    sub: 'Latest insights, one per sealed batch',
    tools: [el('a', { class: 'button', href: href('/insights', board.project) }, 'All insights')],
    isEmpty: ({ insights }) => insights.length === 0,
    empty: () => 'No insights yet. Each batch gets one moments after it is sealed.',
    body: ({ insights }) => el('ol', { class: 'noticed' }, ...merged(insights).slice(0, SHOWN).map((insight) => brief(insight, board.project))),
  }).element;
}

/** Not of a shared page: it is about the whole installation. */
export function well(board) {
  if (board.shared) return [];
  const queue = board.ask('queue', () => ({ lens: '/api/admin/metrics', params: { project: null } }));
  return [board.panel({
    of: queue,
    title: 'Is Quadra healthy?',
    sub: 'Queue of all projects, measured just now',
    tools: [el('a', { class: 'button', href: href('/pipeline', board.project) }, 'The pipeline')],
    body: (metrics) => el('ul', { class: 'signs' }, ...signs(metrics, 0).map(({ tone, name, value, href: path }) => el('li', {},
      el('a', { href: href(path, board.project) }, light(tone), el('span', {}, `${name} `), el('strong', { class: tone }, value))))),
  }).element];
}

// Visits: how many people came, from where, which pages they saw, and which goals they reached. Every row filters the page.

import { grid, openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { lines } from '../board/options.js';
import { along, begun, periodTable } from '../board/rows.js';
import { number, percent, seconds } from '../board/words.js';
import { el } from '../shared/elements.js';
import { count } from '../shared/format.js';
import { goalsPanel } from './goals.js';
import { importedPanel } from './imported.js';
import { money } from './money.js';
import { currencyOf, tabbed } from './tabs.js';

const MEASURES = { visitors: 'Visitors', visits: 'Visits', page_views: 'Page views' };

const board = openBoard({ interval: true, visits: true });
const { address } = board;
const measure = () => (address.get('measure') in MEASURES ? address.get('measure') : 'visitors');
const withGoal = () => (address.get('goal') ? { goal: address.get('goal') } : {});
const earlier = ({ totals, series }) => totals.previous && { totals: totals.previous, series: series.map(({ previous }) => previous) };

const visits = board.ask('visits', (common) => ({ lens: 'visits', params: { ...common, interval: board.interval, ...board.beside, ...withGoal() } }), { earlier });
const goals = board.ask('goals', (common) => ({ lens: 'goals', params: { ...common, interval: 'whole', ...board.beside } }));

const total = (name) => ({ totals }) => totals[name];
/** Of no visits there is no rate, and no average. */
const each = (name) => ({ totals }) => (totals.visits ? totals[name] : null);
const drawnBy = (name) => ({ choose: () => address.change({ measure: name === 'visitors' ? null : name }), chosen: () => name === measure(), spark: ({ series }) => begun(series).map((point) => point[name]) });
const ofGoal = { shown: () => Boolean(address.get('goal')) };
const numbers = keyNumbers(visits, 'Totals', [
  ...Object.entries(MEASURES).map(([name, title]) => ({ title, value: total(name), write: number, good: 'up', ...drawnBy(name) })),
  { title: 'Views per visit', value: each('views_per_visit'), write: number, good: 'up' },
  { title: 'Bounce rate', value: each('bounce_rate'), write: percent, good: 'down', points: true },
  { title: 'Visit duration', value: each('avg_duration_seconds'), write: seconds, good: 'up' },
  { title: 'Conversions', value: total('conversions'), write: number, good: 'up', ...ofGoal },
  { title: 'Conversion rate', value: each('conversion_rate'), write: percent, good: 'up', points: true, ...ofGoal },
  { title: 'Revenue', value: total('revenue'), write: (value) => money(value, currencyOf(board, goals)), good: 'up', ...ofGoal },
]);

function drawn(answer) {
  const before = earlier(answer);
  return [
    { name: MEASURES[measure()], values: answer.series.map((point) => point[measure()]) },
    ...(before ? [{ name: 'Before', values: before.series.map((point) => point?.[measure()]), faint: true }] : []),
  ];
}

const chart = board.panel({
  of: visits,
  title: 'How many people visit?',
  sub: () => [`${MEASURES[measure()]} by ${board.interval}, ${board.timezone} time`, board.dashed].filter(Boolean).join('. '),
  isEmpty: ({ totals }) => totals.visits === 0,
  empty: firstEvent(board, 'No visits in this period.', { kind: 'page', pageUrl: 'https://example.com/', userId: 'me' }),
  chart: (answer) => lines({ ...along(board, answer.series.map(({ at }) => at)), series: drawn(answer), area: true }),
  table: (answer) => periodTable(board, answer.series.map(({ at }) => at), drawn(answer)),
  foot: ({ hidden: { bots } }) => (bots === 0 ? [] : [
    el('span', {}, `${count(bots)} ${bots === 1 ? 'event' : 'events'} by bots hidden`),
    board.shared ? '' : el('button', { class: 'link', type: 'button', onclick: () => address.change({ bots: 'yes' }) }, 'Show bots'),
  ].filter(Boolean)),
});

const panel = (options) => tabbed(board, { goals, ...options });

board.start(
  numbers,
  chart,
  grid(
    panel({ key: 'sources', title: 'Where do they come from?', tabs: [['channel', 'Channels'], ['referrer', 'Referrers'], ['utm_source', 'Sources'], ['utm_medium', 'Mediums'], ['utm_campaign', 'Campaigns']] }),
    panel({ key: 'pages', title: 'Which pages?', tabs: [['page', 'Pages'], ['entry_page', 'Entry'], ['exit_page', 'Exit'], ['hostname', 'Hosts'], ['title', 'Titles']], empty: () => 'No page views in this period.' }),
  ),
  grid(
    goalsPanel(board, goals),
    panel({ key: 'places', title: 'Where are they?', tabs: [['country', 'Countries'], ['map', 'Map'], ['region', 'Regions'], ['language', 'Languages']] }),
  ),
  panel({ key: 'devices', title: 'With what?', tabs: [['browser', 'Browsers'], ['os', 'Systems'], ['device_type', 'Devices'], ['screen', 'Screens']] }),
  importedPanel(board),
);

// Journeys that senders record step by step: how long each step takes, and the ways that sessions take most often.

import { firstEvent } from '../board/empty.js';
import { bars } from '../board/options.js';
import { named, number, percent, seconds } from '../board/words.js';

const SHOWN = 30;

export function recorded(board) {
  const asked = board.ask('journeys', (common) => ({ lens: 'user/journeys/analytics', params: common }));
  const isEmpty = ({ journeys }) => journeys.length === 0;
  const nothing = () => 'No journey steps in this period.';
  const label = (step) => `${named(step.journey_type)}: ${named(step.step_name)}`;
  const first = ({ journeys }) => journeys.slice(0, SHOWN);
  return [
    board.panel({
      of: asked,
      title: 'How far do recorded journeys get?',
      sub: 'Sessions at each step, in step order',
      isEmpty,
      empty: firstEvent(board, 'No journey steps in this period.', { userId: 'me', sessionId: 's1', journeyType: 'onboarding', stepName: 'welcome', stepOrder: 1 }, '/api/analytics/user/journeys/track'),
      chart: (answer) => bars({ labels: first(answer).map(label), flat: true, series: [{ name: 'Sessions', values: first(answer).map((step) => step.unique_sessions) }, { name: 'Completed the journey', values: first(answer).map((step) => step.completed_count) }] }),
      table: ({ journeys }) => ({
        columns: [{ title: 'Step' }, { title: 'Times', n: true }, { title: 'Sessions', n: true }, { title: 'Completed the journey', n: true }, { title: 'Average time in step', n: true }],
        rows: journeys.map((step) => [label(step), number(step.step_count), number(step.unique_sessions), number(step.completed_count), seconds(step.avg_time_in_step_seconds)]),
      }),
    }),
    board.panel({
      of: asked,
      title: 'Most frequent paths',
      sub: 'Consecutive steps of one session',
      isEmpty: ({ paths }) => !paths?.length,
      empty: nothing,
      table: ({ paths }) => ({
        columns: [{ title: 'Way' }, { title: 'Journey' }, { title: 'Sessions', n: true }, { title: 'Completed', n: true }],
        rows: paths.map((way) => [way.steps.map((step) => named(step)).join(' → '), named(way.journey_type), number(way.sessions), percent(way.sessions ? (way.completed / way.sessions) * 100 : 0)]),
      }),
    }),
  ];
}

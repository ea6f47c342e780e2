// Funnels that senders record: who reached which stage, where runs stopped, how long it took.

import { firstEvent } from '../board/empty.js';
import { bars } from '../board/options.js';
import { named, number, percent, seconds } from '../board/words.js';

const STAGES = 30;

export function recorded(board) {
  const asked = board.ask('recorded', (common) => ({ lens: 'user/funnels', params: common }), { compare: true });
  const rows = ({ funnels }) => funnels.flatMap((funnel) => funnel.stages.map((stage) => ({ funnel: funnel.funnel_name, ...stage })));
  const label = ({ funnel, stage }) => `${named(funnel)}: ${named(stage)}`;
  const empty = firstEvent(board, 'No funnel stages in this period.', { userId: 'me', funnelName: 'checkout', stage: 'cart', stageOrder: 1 }, '/api/analytics/user/funnels/track');
  const isEmpty = ({ funnels }) => funnels.length === 0;
  return [
    board.panel({
      of: asked,
      title: 'How do recorded funnels convert?',
      sub: 'Users who started and completed in this period',
      isEmpty,
      empty,
      table({ funnels }, before) {
        const was = before && new Map(before.funnels.map((one) => [one.funnel_name, one]));
        return {
          columns: [{ title: 'Funnel' }, { title: 'Began', n: true }, { title: 'Completed', n: true }, { title: 'Share', n: true }, ...(was ? [{ title: 'Share before', n: true, spare: true }] : [])],
          rows: funnels.map((one) => [named(one.funnel_name), number(one.total_started), number(one.total_completed), percent(one.overall_conversion_rate),
            ...(was ? [was.has(one.funnel_name) ? percent(was.get(one.funnel_name).overall_conversion_rate) : '—'] : [])]),
        };
      },
    }),
    board.panel({
      of: asked,
      title: 'Where do users stop?',
      sub: 'Recorded stages; reaching a later one counts as continuing',
      isEmpty,
      empty: () => 'No funnel stages in this period.',
      chart: (answer) => bars({
        labels: rows(answer).slice(0, STAGES).map(label), stack: true,
        series: [{ name: 'Went on', values: rows(answer).slice(0, STAGES).map((one) => one.users_completed) }, { name: 'Stopped here', faint: true, values: rows(answer).slice(0, STAGES).map((one) => one.users_reached - one.users_completed) }],
      }),
      table: (answer) => ({
        columns: [{ title: 'Stage' }, { title: 'Reached', n: true }, { title: 'Went on', n: true }, { title: 'Stopped', n: true }, { title: 'Average time to reach', n: true }, { title: 'Average time in step', n: true }],
        rows: rows(answer).map((one) => [label(one), number(one.users_reached), percent(one.conversion_rate), percent(one.drop_off_rate), seconds(one.avg_time_to_stage_seconds), seconds(one.avg_time_in_stage_seconds)]),
      }),
    }),
  ];
}

// What people say when they are asked: NPS, CSAT and CES, with every score that was given and where it was asked for.

import { openBoard } from '../board/board.js';
import { firstEvent } from '../board/empty.js';
import { keyNumbers } from '../board/numbers.js';
import { bars, lines } from '../board/options.js';
import { along, periodTable } from '../board/rows.js';
import { named, number, percent } from '../board/words.js';
import { el } from '../shared/elements.js';

const points = (value) => (value === null || value === undefined ? '—' : `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(Math.round(value))}`);
const SURVEYS = {
  nps: { name: 'NPS', write: points, says: '% promoters (9–10) minus % detractors (0–6)', question: 'Would people recommend it?' },
  csat: { name: 'CSAT', write: percent, says: '% of scores 4 and 5 (scale 1–5)', question: 'Are people satisfied?' },
  ces: { name: 'CES', write: number, says: 'Average score (scale 1–7)', question: 'Is it easy?' },
};

const board = openBoard({ interval: true, kind: 'survey' });
const surveys = board.ask('satisfaction', (common) => ({ lens: 'user/satisfaction/metrics', params: common }), { compare: true });
const answers = board.ask('answers', (common) => ({
  lens: 'trends', params: { ...common, interval: board.interval, 'where[kind]': 'survey', breakdown: 'survey_type', include_bots: 'false' },
}));

const of = ({ satisfaction_metrics: found }, type) => found.find((one) => one.survey_type === type);
const numbers = keyNumbers(surveys, 'Satisfaction in numbers', [
  ...Object.entries(SURVEYS).map(([type, { name, write }]) => ({
    title: name, value: (answer) => of(answer, type)?.[type] ?? null, write, good: 'up', points: true,
    aside: (answer) => (of(answer, type) ? `${number(of(answer, type).total_responses)} answers` : 'nobody asked'),
  })),
  { title: 'Answers', value: ({ satisfaction_metrics: found }) => found.reduce((sum, one) => sum + one.total_responses, 0), write: number, good: 'up' },
]);

const sample = (type, score) => firstEvent(board, `No ${SURVEYS[type].name} answers in this period.`, { userId: 'me', surveyType: type, score, context: 'checkout' }, '/api/analytics/user/satisfaction/record');

function scores(type, score) {
  const { name, says, question } = SURVEYS[type];
  const given = (answer) => Object.entries(of(answer, type)?.distribution ?? {});
  return board.panel({
    of: surveys,
    title: question,
    sub: `${name} by score. ${says}`,
    isEmpty: (answer) => !of(answer, type),
    empty: sample(type, score),
    size: 'low',
    chart: (answer, before) => bars({
      labels: given(answer).map(([one]) => one),
      series: [{ name: 'Answers', values: given(answer).map(([, count]) => count) },
        ...(before && of(before, type) ? [{ name: 'Before', faint: true, values: given(answer).map(([one]) => of(before, type).distribution[one] ?? 0) }] : [])],
    }),
    table(answer, before) {
      const was = before && of(before, type)?.distribution;
      const total = of(answer, type).total_responses;
      return {
        columns: [{ title: 'Score' }, { title: 'Answers', n: true }, { title: 'Share', n: true }, ...(was ? [{ title: 'Before', n: true }] : [])],
        rows: given(answer).map(([one, count]) => [one, number(count), percent((count / total) * 100), ...(was ? [number(was[one] ?? 0)] : [])]),
      };
    },
  });
}

const contexts = board.panel({
  of: surveys,
  title: 'Where are people satisfied?',
  sub: 'By survey context',
  isEmpty: ({ satisfaction_metrics: found }) => found.length === 0,
  empty: () => 'No answers in this period.',
  table: ({ satisfaction_metrics: found }) => ({
    columns: [{ title: 'Context' }, { title: 'Survey' }, { title: 'Result', n: true }, { title: 'Answers', n: true }, { title: 'Mean score', n: true, spare: true }, { title: 'Lowest', n: true, spare: true }, { title: 'Highest', n: true, spare: true }],
    rows: found.flatMap(({ survey_type: type, by_context: by }) => Object.entries(by).map(([context, one]) => [
      named(context), SURVEYS[type].name, SURVEYS[type].write(one[type]), number(one.total_responses), number(one.avg_score), number(one.min_score), number(one.max_score)])),
  }),
});

const ats = ({ series }) => (series[0]?.points ?? []).map(({ at }) => at);
const drawn = ({ series }) => series.map(({ label, points: found }) => ({ name: SURVEYS[label]?.name ?? named(label), values: found.map(({ value }) => value) }));
const over = board.panel({
  of: answers,
  title: 'How many answers?',
  sub: 'Answers over time',
  isEmpty: ({ series }) => series.every(({ points: found }) => found.every(({ value }) => value === 0)),
  empty: () => 'No answers in this period.',
  chart: (answer) => lines({ ...along(board, ats(answer)), series: drawn(answer), area: false }),
  table: (answer) => periodTable(board, ats(answer), drawn(answer)),
});

board.start(numbers, el('div', { class: 'three' }, scores('nps', 9).element, scores('csat', 5).element, scores('ces', 6).element), over, contexts);

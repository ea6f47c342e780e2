// One insight as people read it: how serious, what, how sure, on which numbers, and what to do. Text of senders and of an
// LLM is shown as text, never as markup.

import { count } from '../shared/format.js';
import { el, facts } from '../shared/elements.js';
import { batchHref, href, milliseconds, shortId, span, things, when } from '../shared/words.js';
import { bandFigure } from './band_figure.js';
import { numbers, summary } from './evidence.js';

const SEVERITIES = { warning: 'Something is wrong', notice: 'Worth a look', info: 'Good to know' };
const CONFIDENCE = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const findingsOf = (insight) => insight.evidence?.findings ?? [];

/** Whether it tells of something; otherwise all was as usual, or there was nothing to compare with. */
export const isFinding = (insight) => (insight.patterns?.length ?? 0) > 0;

/** [word, tone] */
export function severity(insight) {
  const worst = findingsOf(insight)[0]?.severity;
  if (worst) return [SEVERITIES[worst] ?? worst, worst];
  if (insight.analyst === 'field') return [SEVERITIES.notice, 'notice'];
  if (insight.analyst === 'llm') return ['Comment', isFinding(insight) ? 'comment' : 'quiet'];
  return [insight.confidence > 0 ? 'Nothing unusual' : 'No judgement', 'quiet'];
}

export const confidence = ({ confidence: sure }) => el('span', { class: 'sure' }, `confidence ${CONFIDENCE.format(sure)}`);

const ANALYSTS = { llm: 'LLM', field: 'the field', local: 'local analyst' };
export const analyst = (insight) => `${ANALYSTS[insight.analyst]} ${insight.model ?? ''}`.trim();

/** What it says first, without "2 more below", and without the word that stands above it anyway. */
export const headline = (insight) => findingsOf(insight)[0]?.text ?? insight.summary.replace(/^Nothing unusual: /, '');

const subjects = (insight) => findingsOf(insight).map(({ kind, numbers = {} }) => [kind,
  ...Object.entries(numbers).filter(([, value]) => typeof value === 'string').map((pair) => pair.join('=')).sort()].join('|'));

/** The newest first, without those whose findings all go on in a newer one. */
export function merged(insights) {
  const goOn = new Set();
  return insights.filter((insight) => {
    const mine = subjects(insight);
    const again = insight.analyst === 'local' && mine.length > 0 && mine.every((one) => goOn.has(one));
    findingsOf(insight).forEach(({ since }, at) => { if (since) goOn.add(mine[at]); });
    return !again;
  });
}

/** "since 21:53, 12 batches" of a finding that the batches before had too. */
function goingOn({ since, batches } = {}) {
  return since ? el('span', { class: 'going-on' }, 'since ', when(since), `, ${things(batches, 'batch', 'batches')}`) : null;
}

/** Where all of it is: an anomaly of a signal is of minutes, and of no batch. */
const allOf = ({ batch_id: batch }, project) => href('/insights', project, batch ? { batch } : { analyst: 'field' });

function source({ batch_id: batch }, project) {
  if (!batch) return el('a', { href: href('/field', project) }, 'signal');
  return el('a', { href: batchHref(project, batch), title: batch }, `batch ${shortId(batch)}`);
}

/** One insight in three lines, that leads to all of it. */
export function brief(insight, project) {
  const [word, tone] = severity(insight);
  return el('li', { class: `insight ${tone}` },
    el('p', { class: 'kicker' }, el('strong', { class: 'severity' }, word), ' ', confidence(insight), when(insight.created_at)),
    el('p', { class: 'headline' }, el('a', { href: allOf(insight, project) }, headline(insight))),
    el('p', { class: 'meta' }, source(insight, project), goingOn(findingsOf(insight)[0]),
      el('span', {}, things(insight.event_count, 'event')), el('span', {}, analyst(insight))));
}

export function card(insight, project, { linked = true } = {}) {
  const [word, tone] = severity(insight);
  const findings = findingsOf(insight);
  const others = findings.length > 0 ? findings.slice(1) : [];
  const spoken = findings.length === 0 ? insight.patterns ?? [] : [];
  const heading = el('h3', { id: `insight-${insight.id}` }, headline(insight));
  return el('article', { class: `insight ${tone}`, 'aria-labelledby': heading.id },
    el('p', { class: 'kicker' }, el('strong', { class: 'severity' }, word), ' ', confidence(insight), el('span', {}, when(insight.created_at))),
    heading,
    el('p', { class: 'meta' },
      linked ? source(insight, project) : null,
      goingOn(findings[0]),
      el('span', {}, things(insight.event_count, 'event'), ...window_(insight)),
      el('span', {}, analyst(insight)),
      insight.tokens ? el('span', {}, `${count(insight.tokens)} tokens${insight.cost_usd === null ? '' : `, $${insight.cost_usd.toPrecision(2)}`}`) : null,
      tone === 'quiet' ? el('span', {}, summary(insight.evidence ?? {}, true)) : null),
    findings.length > 0 ? evidence(findings[0]) : null,
    insight.evidence?.points ? bandFigure(insight.evidence) : null,
    others.length > 0 ? el('ol', { class: 'findings' }, ...others.map(finding)) : null,
    spoken.length > 0 ? el('ul', { class: 'bullets' }, ...spoken.map((text) => el('li', {}, text))) : null,
    insight.recommendations?.length > 0
      ? el('div', { class: 'todo' }, el('h4', {}, 'What to do'), el('ul', { class: 'bullets' }, ...insight.recommendations.map((text) => el('li', {}, text))))
      : null,
    tone === 'quiet' ? null : whole(insight));
}

function window_({ time_window: { from, to } = {} }) {
  const times = span(from, to);
  return times ? [', ', times] : [];
}

function finding(found) {
  return el('li', { class: found.severity },
    el('p', {}, el('strong', { class: 'severity' }, SEVERITIES[found.severity] ?? found.severity), ' ', found.text, ' ', confidence(found)), goingOn(found), evidence(found));
}

function evidence(found) {
  const rows = numbers(found);
  return rows.length === 0 ? null : el('details', { class: 'fold' }, el('summary', {}, 'Evidence'), facts(rows, true));
}

function whole(insight) {
  const held = summary(insight.evidence ?? {});
  const asked = insight.evidence?.asked_about;
  const told = asked ? el('details', { class: 'fold' }, el('summary', {}, 'What the LLM received'), el('pre', { tabindex: 0 }, JSON.stringify(asked, null, 2))) : null;
  const took = insight.analysis_time_ms > 0 ? ` · analysed in ${milliseconds(insight.analysis_time_ms)}` : '';
  return el('div', { class: 'sub held' }, held ? `The batch: ${held}${took}` : null, told);
}

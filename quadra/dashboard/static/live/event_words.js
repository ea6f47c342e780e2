// One event in a few words: what it is called, who did it, and the one detail that matters for its kind.

import { count, duration } from '../shared/format.js';
import { pageOf } from '../shared/page.js';

const PLAIN = new Set(['event', 'page', 'identify']);

/** What names an event of a kind, where the sender gave it no name of its own. */
const CALLED = {
  feature: 'featureName', funnel: 'funnelName', journey: 'journeyType', survey: 'surveyType', ai: 'model', error: 'errorType',
  request: 'endpoint', metric: 'metricName',
};

/** Typed fields may come in either spelling; the page does not care. */
function field(event, name) {
  const fields = event.fields ?? {};
  return fields[name] ?? fields[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
}

const place = (url) => (url ? pageOf(url) : null);

const joined = (...parts) => parts.filter((part) => part !== null && part !== undefined && part !== '').join(' · ');

const took = (event, ...names) => {
  const ms = names.map((name) => field(event, name)).find((value) => value !== undefined && value !== null) ?? event.durationMs;
  return typeof ms === 'number' ? duration(ms) : null;
};

const details = {
  feature: (event) => joined(field(event, 'action'), took(event), place(event.pageUrl)),
  funnel: (event) => joined(field(event, 'stage'), field(event, 'source')),
  journey: (event) => joined(field(event, 'stepName'), place(event.pageUrl)),
  survey: (event) => joined(field(event, 'score') ?? event.value, field(event, 'response') && `“${field(event, 'response')}”`),
  ai(event) {
    const tokens = (field(event, 'promptTokens') ?? 0) + (field(event, 'completionTokens') ?? 0);
    const cost = field(event, 'costUsd') ?? event.value;
    return joined(tokens > 0 ? `${count(tokens)} tok` : null, typeof cost === 'number' ? `$${cost.toPrecision(2)}` : null, took(event, 'responseTimeMs'));
  },
  error: (event) => joined(field(event, 'message'), field(event, 'endpoint') ?? place(event.pageUrl)),
  request: (event) => joined(field(event, 'method'), field(event, 'statusCode'), took(event, 'responseTimeMs')),
  metric: (event) => joined(`${field(event, 'metricValue') ?? event.value ?? ''} ${field(event, 'unit') ?? ''}`.trim()),
};

function firstProperty(event) {
  const first = Object.entries(event.properties ?? {}).find(([, value]) => value !== null && typeof value !== 'object');
  return first ? `${first[0]}: ${first[1]}` : '';
}

export function describe(event) {
  const given = event.name || event.eventType || event.kind;
  const name = (given === event.kind && CALLED[event.kind] && field(event, CALLED[event.kind])) || given;
  return {
    kind: PLAIN.has(event.kind) || name === event.kind ? '' : event.kind,
    name,
    who: event.userId ?? '',
    detail: details[event.kind]?.(event) || place(event.pageUrl) || firstProperty(event),
    marks: [event.bot ? 'bot' : null, event.success === false ? 'failed' : null].filter(Boolean),
  };
}

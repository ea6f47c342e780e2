// What an event of each kind says in a line.

import { dollars, milliseconds, named, number, seconds } from '../board/words.js';
import { pageOf } from '../shared/page.js';

const known = (...parts) => parts.filter((part) => part !== null && part !== undefined && part !== '').join(' · ');

const DETAILS = {
  page: (event) => event.page_title,
  feature: ({ fields, duration_ms: ms, success }) => known(fields.action, ms === null ? null : seconds(ms / 1000), success === false ? 'failed' : null),
  funnel: ({ fields }) => known(fields.stage),
  journey: ({ fields }) => known(fields.step_name),
  survey: ({ fields, value }) => known(number(value), fields.context),
  ai: ({ fields, value, duration_ms: ms }) => known(fields.prompt_tokens === undefined ? null : `${number(Number(fields.prompt_tokens) + Number(fields.completion_tokens ?? 0))} tokens`, value === null ? null : dollars(value), ms === null ? null : milliseconds(ms)),
  error: ({ fields }) => fields.message,
  request: ({ fields, duration_ms: ms }) => known(fields.status_code, ms === null ? null : milliseconds(ms)),
  metric: ({ fields, value }) => known(number(value), fields.unit),
};
const NAMES = {
  page: ({ page_url: url }) => (url ? pageOf(url) : null),
  feature: ({ fields }) => fields.feature_name,
  funnel: ({ fields }) => fields.funnel_name,
  journey: ({ fields }) => fields.journey_type,
  survey: ({ fields }) => fields.survey_type,
  ai: ({ fields }) => fields.model,
  error: ({ fields }) => fields.error_type,
  request: ({ fields }) => [fields.method, fields.endpoint].filter(Boolean).join(' '),
  metric: ({ fields }) => fields.metric_name,
};

/** {name, detail, where} as text. */
export function describe(event) {
  const given = { ...event, fields: event.fields ?? {} };
  const name = NAMES[event.kind]?.(given) || event.event_name || event.event_type;
  const detail = DETAILS[event.kind]?.(given) ?? Object.entries(event.properties ?? {}).slice(0, 3).map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(' · ');
  const where = event.kind === 'page' || !event.page_url ? '' : pageOf(event.page_url);
  return { name: named(name), detail: String(detail ?? ''), where };
}

// Key numbers, each with the same number of the time before and what became of it.

import { change, put } from '../shared/format.js';
import { el } from '../shared/elements.js';
import { sparkline } from './sparkline.js';
import { inPoints, number as asNumber } from './words.js';

const MOST_IN_A_ROW = 6;

/**
 * `numbers`: [{title, value: (answer) => number, write, good?: 'up' | 'down', spark?: (answer) => [number], aside?: (answer) => text,
 * points?: the change is a difference in points, not in per cent, choose?: () => void, chosen?: () => whether it is what the chart shows,
 * shown?: () => whether there is such a number now}].
 */
export function keyNumbers(question, label, numbers) {
  const section = el('section', { class: 'kpis flow-kpis', 'aria-label': label });
  section.hidden = !question.offered;
  const drawn = numbers.map((one) => tile(one));
  section.append(...drawn.map(({ element }) => element));
  const spread = () => {
    const shown = drawn.filter(({ element }) => !element.hidden).length;
    section.style.setProperty('--columns', Math.ceil(shown / Math.ceil(shown / MOST_IN_A_ROW)));
  };
  spread();
  question.on(({ state, answer, before }) => {
    section.setAttribute('aria-busy', String(state === 'loading'));
    numbers.forEach(({ shown }, place) => { drawn[place].element.hidden = shown ? !shown() : false; });
    spread();
    for (const { draw } of drawn) draw(state, answer, before);
  });
  return section;
}

function tile({ title, value, write, good = null, spark = null, aside = null, points = false, choose = null, chosen = null }) {
  const number = el('p', { class: 'num' }, el('span', { class: 'skeleton' }));
  const delta = el('p', { class: 'delta' }, el('span', { class: 'skeleton' }));
  const line = spark ? el('div', { class: 'spark', 'aria-hidden': 'true' }) : null;
  const chooses = choose ? el('button', { class: 'choose', type: 'button', onclick: choose }, title) : null;
  const said = aside ? el('p', { class: 'aside' }, '\u00a0') : null;
  const element = el('article', { class: 'kpi' }, el('h2', {}, chooses ?? title), number, delta, said, line);

  function draw(state, answer, before) {
    chooses?.setAttribute('aria-pressed', String(chosen()));
    if (state === 'loading') return;
    const known = state === 'ready';
    const now = known ? value(answer) : null;
    put(number, known ? write(now) : '—');
    const was = known && before ? value(before) : null;
    const { text, direction } = difference(now, was, points, write === asNumber && Number.isInteger(now) && Number.isInteger(was));
    // which way is good: for errors and waiting it is down
    delta.dataset.direction = good === null || direction === 'same' ? 'same' : direction === good ? 'up' : 'down';
    const strong = el('strong', {}, text ?? '');
    const words = known && before ? [`${text ? ' ' : ''}before: ${write(was ?? null)}`] : [];
    delta.replaceChildren(strong, ...words);
    if (!words.length) delta.append('\u00a0');
    if (said && known) put(said, aside(answer) || '\u00a0');
    if (line && known) sparkline(line, spark(answer));
  }

  return { element, draw };
}

function difference(now, was, points, counted) {
  if (was === null || was === undefined || now === null || now === undefined) return { text: null, direction: 'same' };
  if (!points) return change(now, was, { counted });
  const by = Math.round((now - was) * 10);
  return { text: inPoints(now, was), direction: by === 0 ? 'same' : by > 0 ? 'up' : 'down' };
}

// A part of a page, titled by the question it answers. It shows one Question's answer: a skeleton while it loads, what went
// wrong with a way to try again, what to do where nothing has happened yet, and otherwise a chart with its table beside it,
// a table alone, or whatever the page makes of the answer.

import { el, fill } from '../shared/elements.js';
import { wholeRows } from '../shared/whole_rows.js';
import { Chart } from './chart.js';
import { withoutFilters } from './hidden.js';
import { Table } from './table.js';

let made = 0;

/**
 * of        the Question
 * title     what is asked, for people; `sub` a sentence, or (answer) => sentence
 * chart     (answer, before) => (look) => option; needs `table`; it is drawn again when what happened in the time is known
 * table     (answer, before) => {columns, rows}
 * body      (answer, before) => elements; `about`: what else they depend on
 * isEmpty   (answer) => whether nothing has happened; `empty` () => elements that say what to do
 * foot      (answer) => elements under all of it; `also`: Questions whose answers are drawn too
 * idle      what is said where there is nothing to ask yet
 * tools     elements for the head; `size` 'low' or 'tall'; `scrolls`: the body is long and scrolls within the panel
 */
export class Panel {
  element;
  #options;
  #parts;
  #chart = null;
  #table = null;
  #asTable = false;
  #marks = '[]';

  constructor(options) {
    this.#options = options;
    made += 1;
    const id = `panel-${made}`;
    const { title, tools = [], chart, table, body, size, board, scrolls, foot } = options;
    const toggle = chart ? el('button', { class: 'button', type: 'button', 'aria-pressed': 'false', onclick: () => this.#show(!this.#asTable) }, 'Table') : null;
    const box = chart ? el('div', { class: `chart ${size ?? ''}`, role: 'img', 'data-echarts': board.echarts, 'aria-label': `${title} Chart; the Table button shows the same numbers` }) : null;
    if (table) this.#table = new Table(title);
    this.#parts = {
      toggle,
      box,
      sub: el('p', { class: 'sub' }),
      problem: el('div', { class: 'notice bad', role: 'alert', hidden: true }),
      empty: el('div', { class: `nothing ${size ?? ''}`, hidden: true }),
      skeleton: el('div', { class: `loading ${chart ? `chart ${size ?? ''}` : ''}` }, ...Array.from({ length: chart ? 1 : 4 }, () => el('span', { class: 'skeleton wide' }))),
      content: el('div', { class: 'content', hidden: true }, box, this.#table?.element),
      foot: foot ? el('p', { class: 'sub panel-foot' }) : null,
      body: body ? el('div', scrolls ? { class: 'made scroll', tabindex: '0', role: 'region', 'aria-label': `${title}, the whole list` } : { class: 'made' }) : null,
    };
    this.#parts.content.append(...[this.#parts.body, this.#parts.foot].filter(Boolean));
    if (this.#table && chart) this.#table.element.hidden = this.#table.copy.hidden = true;
    const { sub, problem, empty, skeleton, content } = this.#parts;
    this.element = el('section', { class: chart ? 'panel' : 'panel grows', 'aria-labelledby': id },
      el('div', { class: 'panel-head' }, el('h2', { id }, title), this.#table?.copy, ...tools, toggle), sub, problem, skeleton, empty, content);
    for (const place of content.querySelectorAll('.scroll')) wholeRows(place);
    if (box) this.#chart = new Chart(box, () => this.#withoutLibrary());
    this.#say(null);
    this.element.hidden = !options.of.offered;
    options.of.on((question) => this.#draw(question));
    for (const other of options.also ?? []) other.on(() => this.#draw(options.of));
    if (chart) board.happened.on(({ answer }) => this.#mark(answer?.annotations ?? []));
  }

  /** Draws again where other things happened in the time than the chart shows. */
  #mark(happened) {
    const marks = JSON.stringify(happened);
    if (marks === this.#marks) return;
    this.#marks = marks;
    this.#draw(this.#options.of);
  }

  #show(asTable) {
    this.#asTable = asTable;
    this.#parts.toggle.setAttribute('aria-pressed', String(asTable));
    this.#table.element.hidden = this.#table.copy.hidden = !asTable;
    this.#parts.box.hidden = asTable;
  }

  #withoutLibrary() {
    this.#show(true);
    this.#parts.toggle.hidden = true;
    this.#parts.content.prepend(el('p', { class: 'notice' }, 'The chart library could not be loaded. The table shows the same numbers.'));
  }

  #say(answer) {
    const { sub } = this.#options;
    const sentence = typeof sub === 'function' ? (answer ? sub(answer) : '') : sub ?? '';
    this.#parts.sub.hidden = sentence === '' && typeof sub !== 'function';
    fill(this.#parts.sub, sentence, () => sentence || '\u00a0');
  }

  #draw(question) {
    const { state, answer, before, error, stale } = question;
    const { problem, empty, skeleton, content } = this.#parts;
    this.element.setAttribute('aria-busy', String(state === 'loading'));
    skeleton.hidden = state !== 'loading';
    this.#trouble(problem, state === 'failed' || stale ? error : null, stale, question);
    const nothing = state === 'idle' || (state === 'ready' && this.#options.isEmpty?.(answer));
    empty.hidden = !nothing;
    empty.classList.toggle('charted', Boolean(this.#chart) && state === 'ready');
    content.hidden = state !== 'ready' || nothing;
    if (this.#parts.toggle) this.#parts.toggle.disabled = content.hidden;
    if (this.#table) this.#table.copy.disabled = content.hidden;
    if (nothing) fill(empty, [state, this.#options.board.address.kept], () => (state === 'idle' ? this.#options.idle : [this.#options.empty?.() ?? 'No data in this period.', withoutFilters(this.#options.board)].flat()));
    if (state !== 'ready') return;
    this.#say(answer);
    if (nothing) {
      if (typeof this.#options.sub === 'function') fill(this.#parts.sub, '', () => '\u00a0'); // a sentence about nothing; its line stays
      return;
    }
    const { chart, table, body, foot } = this.#options;
    if (foot) {
      const parts = foot(answer);
      fill(this.#parts.foot, parts.map(({ facts, textContent }) => facts ?? textContent), () => parts);
      this.#parts.foot.hidden = parts.length === 0;
    }
    if (chart) this.#chart.draw(chart(answer, before));
    if (table) {
      const { columns, rows } = table(answer, before);
      this.#table.draw(columns, rows);
    }
    if (body) {
      const facts = { ...answer, computed_at: 0, elapsed_ms: 0, rows_read: 0 };
      const earlier = before && { ...before, computed_at: 0, elapsed_ms: 0, rows_read: 0 };
      keep(this.#parts.body, () => fill(this.#parts.body, [facts, earlier, this.#options.about?.()], () => body(answer, before)));
    }
  }

  #trouble(place, error, stale, question) {
    place.hidden = !error;
    if (!error) return;
    const wrong = Object.entries(error.fields ?? {}).map(([field, says]) => el('p', {}, el('code', {}, field), `: ${says}`));
    fill(place, [error.message, error.fields, stale], () => [
      el('p', {}, `${stale ? 'Not up to date: ' : ''}${error.message}`), ...wrong,
      el('button', { class: 'button', type: 'button', onclick: () => question.refresh({ again: true }) }, 'Try again'),
    ]);
  }
}

/** What was opened stays open, and what had the focus keeps it, where it is still there: things are known by data-key. */
function keep(place, draw) {
  const open = new Set([...place.querySelectorAll('details[open][data-key]')].map(({ dataset }) => dataset.key));
  const focused = place.contains(document.activeElement) ? document.activeElement.closest('[data-key]')?.dataset.key : null;
  draw();
  for (const details of place.querySelectorAll('details[data-key]')) details.open ||= open.has(details.dataset.key);
  if (!focused || place.contains(document.activeElement)) return;
  const again = place.querySelector(`[data-key="${CSS.escape(focused)}"]`);
  (again?.querySelector('summary') ?? again)?.focus();
}

// The frame of a page of lenses: its address, its range, its questions, the bar above them, and the live line.
// A page opens a board, makes Questions and Panels with it, and calls `start`.

import { el } from '../shared/elements.js';
import { CARRIED } from '../shared/carried.js';
import { isZone, useZone } from '../shared/format.js';
import { Address } from './address.js';
import { bar } from './bar.js';
import { OF_VISITS } from './dimensions.js';
import { elsewhere } from './elsewhere.js';
import { listenToKeys } from './keys.js';
import { hiddenRows } from './hidden.js';
import { keepFresh } from './live.js';
import { Panel } from './panel.js';
import { Question } from './question.js';
import { intervalOf, rangeOf } from './range.js';
import { ProjectSource, SharedSource } from './source.js';
import { summary } from './summary.js';
import { day } from './words.js';

const SHARED_EVERY_MS = 60_000;

class Board {
  #questions = [];
  #happened = null;

  /**
   * `interval`, `compare`, `filters`, `ranged`: which parts of the bar the page has. `kind`: what is exported. `visits`: its lenses
   * take filters by dimensions of visits.
   */
  constructor(root, { interval = false, compare = true, filters = true, ranged = true, bots = true, usual = undefined, kind = null, visits = false, hear = {} } = {}) {
    const { project, timezone, role, echarts, world, baseUrl, page, shared, weekStart } = root.dataset;
    Object.assign(this, { root, project, projectZone: timezone, role, echarts, world, baseUrl, page });
    this.bar = { interval, compare, filters, ranged, bots, kind, visits };
    this.usual = usual;
    this.weekStart = weekStart === 'sunday' ? 0 : 1;
    this.hear = hear;
    this.shared = shared ? JSON.parse(shared) : null;
    this.address = new Address(this.shared?.params ?? null);
    this.source = this.shared ? new SharedSource(this.shared.token, this.shared.keys) : new ProjectSource(project);
    useZone(this.timezone);
    this.address.onChange(() => useZone(this.timezone));
    this.acts = role === 'editor' || role === 'admin';
  }

  /** Of everything on the page: the reader's where they chose it, else the project's. */
  get timezone() {
    const chosen = this.address.get('timezone');
    return isZone(chosen) ? chosen : this.projectZone;
  }

  get range() {
    return rangeOf(this.address, this.timezone, this.usual, this.weekStart);
  }

  get interval() {
    return intervalOf(this.address, this.range.days);
  }

  get compares() {
    if (!this.bar.compare || this.address.get('compare') === 'no') return false;
    return !this.shared || this.shared.keys.some((key) => key.endsWith('-before'));
  }

  /** What every question of the page has in common; `before`: of the time before. */
  common(before = false) {
    const { asked, before: earlier } = this.range;
    const found = this.bar.ranged ? { ...(before ? earlier : asked) } : {};
    if (this.bar.filters) for (const filter of this.address.filters) if (this.takes(filter)) found[filter.name] = filter.values;
    if (this.timezone !== this.projectZone) found.timezone = this.timezone;
    if (this.address.get('bots') === 'yes') found.include_bots = 'true';
    if (this.bar.filters && this.address.get('segment')) found.segment = this.address.get('segment');
    return found;
  }

  /** Whether the lenses of this page know what the filter is about; otherwise it is kept for the pages that do. */
  takes({ property }) {
    return this.bar.visits || !OF_VISITS.has(property);
  }

  /** What the dashed line of a chart is, in words. */
  get dashed() {
    if (!this.compares) return '';
    const { from, to } = this.range.before;
    return `Dashed line: ${day(from)} – ${day(to.slice(0, 10))}`;
  }

  /** What a lens is asked that has the time before in its answer. */
  get beside() {
    if (!this.compares) return { compare: 'none' };
    const { from, to } = this.range.before;
    return { compare_from: from, compare_to: to };
  }

  ask(key, make, options) {
    const question = new Question(this, key, make, options);
    this.#questions.push(question);
    return question;
  }

  /** Releases and notes of the time, which every chart over time marks. */
  get happened() {
    this.#happened ??= this.ask('annotations', () => ({
      lens: '/api/annotations', params: this.bar.ranged ? { from: this.range.first, to: this.range.last, timezone: this.timezone } : {},
    }));
    return this.#happened;
  }

  panel(options) {
    return new Panel({ board: this, ...options });
  }

  /** key -> {lens, params} of all questions as they are asked now. What is not a lens cannot be kept. */
  asked() {
    const all = Object.assign({}, ...this.#questions.map((question) => question.asked()));
    return Object.fromEntries(Object.entries(all).filter(([, one]) => one && !one.lens.startsWith('/')));
  }

  refresh(how) {
    return Promise.all(this.#questions.map((question) => question.refresh(how)));
  }

  /** The address of another page about the same time and people. */
  href(path, more = {}) {
    const query = new URLSearchParams({ project: this.project });
    for (const name of CARRIED) if (this.address.get(name)) query.set(name, this.address.get(name));
    for (const { name, values } of this.address.filters) for (const value of values) query.append(name, value);
    for (const [name, value] of Object.entries(more)) if (value !== null && value !== '') query.set(name, value);
    return `${path}?${query}`;
  }

  /** The address of a person's page. Filters stay behind: somebody wants to see all that this person did. */
  person(user) {
    const query = new URLSearchParams({ project: this.project, user });
    for (const name of CARRIED) if (name !== 'segment' && this.address.get(name)) query.set(name, this.address.get(name));
    return `/user?${query}`;
  }

  /** Whether its first panel has an answer in which nothing happened. */
  get #showsNothing() {
    return this.root.querySelector('.panel .nothing')?.hidden === false;
  }

  /** Shows `parts` under the bar and begins to ask. */
  start(...parts) {
    const { ranged, bots } = this.bar;
    const later = ranged && !this.shared ? elsewhere(this) : null;
    const above = this.shared ? [summary(this)] : [bar(this), later?.element].filter(Boolean);
    const below = ranged && bots && !this.shared ? [hiddenRows(this)] : [];
    this.root.replaceChildren(...above, ...parts.map((part) => part.element ?? part), ...below);
    this.root.setAttribute('aria-busy', 'false');
    const ask = () => this.refresh().finally(() => {
      this.root.classList.add('steady');
      if (this.#showsNothing) later?.look();
    });
    this.address.onChange(ask);
    ask();
    // other pages hear it from shell.js
    if (this.shared) matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => document.dispatchEvent(new Event('quadra:theme')));
    const runs = () => !this.bar.ranged || this.range.running;
    if (!this.shared) listenToKeys(this);
    if (!this.shared) onceLoaded(() => keepFresh(this.project, runs, () => this.refresh({ quiet: true }), this.hear));
    else setInterval(() => !document.hidden && runs() && this.refresh({ quiet: true }), SHARED_EVERY_MS);
  }
}

/** The library of the live line comes after the page's own scripts, which do not wait for it. */
function onceLoaded(run) {
  if (document.readyState === 'complete') run();
  else addEventListener('load', run, { once: true });
}

export function openBoard(options) {
  return new Board(document.getElementById('board'), options);
}

export const grid = (...parts) => el('div', { class: 'two' }, ...parts.map((part) => part.element ?? part));

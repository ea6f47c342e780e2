// Right now: the latest events, newest first. It must never move under a reader: while it is pointed at, focused,
// scrolled or has an event open, new ones wait and are only counted.

import { count, moment, time } from '../shared/format.js';
import { wholeRows } from '../shared/whole_rows.js';
import { describe } from './event_words.js';

const ROWS = 50;
// Ids already seen: enough to recognise an event that comes live and again in a catch-up.
const REMEMBERED = 2000;

export class Feed {
  #list = document.getElementById('feed');
  #nothing = document.getElementById('feed-nothing');
  #button = document.getElementById('feed-new');
  #paused = document.getElementById('feed-paused');
  #seen = new Set();
  #waiting = [];
  #waitingCount = 0;
  #pointed = false;
  #times = new WeakMap();

  constructor() {
    const list = this.#list;
    wholeRows(list);
    list.addEventListener('pointerenter', (event) => {
      this.#pointed = event.pointerType === 'mouse' || event.pointerType === 'pen';
      this.#settle();
    });
    list.addEventListener('pointerleave', () => {
      this.#pointed = false;
      this.#settle();
    });
    list.addEventListener('focusin', () => this.#settle());
    list.addEventListener('focusout', () => setTimeout(() => this.#settle()));
    list.addEventListener('scroll', () => this.#settle(), { passive: true });
    list.addEventListener('toggle', () => this.#settle(), true);
    list.addEventListener('keydown', (event) => this.#step(event));
    this.#button.addEventListener('click', () => this.#showAll());
  }

  get empty() {
    return this.#seen.size === 0;
  }

  add(events) {
    const fresh = [];
    for (const event of events) {
      if (this.#seen.has(event.eventId)) continue;
      this.#seen.add(event.eventId);
      fresh.push(event);
    }
    for (const id of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      this.#seen.delete(id);
    }
    if (fresh.length > 0) {
      this.#waitingCount += fresh.length;
      this.#waiting = [...fresh, ...this.#waiting].sort((a, b) => b.receivedAt - a.receivedAt).slice(0, ROWS);
    }
    this.#settle();
  }

  /** The first answer of the server is in: skeletons go, and "nothing" may be said. */
  ready() {
    for (const row of this.#list.querySelectorAll('.loading')) row.remove();
    this.#settle();
    this.#nothing.hidden = this.#list.children.length > 0;
  }

  #held() {
    return this.#pointed || this.#list.scrollTop > 0 || this.#list.contains(document.activeElement)
      || this.#list.querySelector('details[open]') !== null;
  }

  #settle() {
    const held = this.#held() && this.#list.children.length > 0;
    if (!held) this.#flush();
    this.#button.hidden = !held || this.#waitingCount === 0;
    this.#button.textContent = `${count(this.#waitingCount)} new`;
    this.#paused.hidden = !held || this.#waitingCount > 0;
  }

  #showAll() {
    for (const open of this.#list.querySelectorAll('details[open]')) open.open = false;
    if (this.#list.contains(document.activeElement)) document.activeElement.blur();
    this.#list.scrollTop = 0;
    this.#flush();
    this.#settle();
  }

  #flush() {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingCount = 0;
    this.#nothing.hidden = true;
    // Usually all of them are newer than the first row; a catch-up may belong further down.
    let row = this.#list.firstElementChild;
    for (const event of waiting) {
      while (row && this.#times.get(row) > event.receivedAt) row = row.nextElementSibling;
      this.#list.insertBefore(this.#row(event), row);
    }
    while (this.#list.children.length > ROWS) this.#list.lastElementChild.remove();
    this.#rove(this.#list.querySelector('summary'));
  }

  #row(event) {
    const words = describe(event);
    const row = document.createElement('li');
    this.#times.set(row, event.receivedAt);
    const details = document.createElement('details');
    const summary = document.createElement('summary');
    summary.tabIndex = -1;
    const when = document.createElement('time');
    when.dateTime = new Date(event.receivedAt).toISOString();
    when.textContent = time(event.receivedAt);
    const what = span(`what kind-${event.kind}`);
    if (words.kind) what.append(span('kind', words.kind), ' ');
    what.append(span('name', words.name));
    for (const mark of words.marks) what.append(' ', span('mark', mark));
    what.title = words.name;
    const who = span('who', words.who);
    who.title = words.who;
    const detail = span('detail', words.detail);
    detail.title = words.detail;
    summary.append(when, what, who, detail);
    details.append(summary);
    details.addEventListener('toggle', () => {
      if (details.open && !details.querySelector('.whole')) details.append(whole(event));
    });
    row.append(details);
    return row;
  }

  /** One tab stop for the whole list; arrows walk through it. */
  #rove(summary) {
    for (const other of this.#list.querySelectorAll('summary[tabindex="0"]')) other.tabIndex = -1;
    if (summary) summary.tabIndex = 0;
  }

  #step(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (event.key === 'Escape') {
      this.#showAll();
      return;
    }
    if (!(event.key in moves)) return;
    const summaries = [...this.#list.querySelectorAll('summary')];
    const at = summaries.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    const next = summaries[Math.min(summaries.length - 1, Math.max(0, at + moves[event.key]))];
    this.#rove(next);
    next.focus();
  }
}

function span(className, text = '') {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

function whole(event) {
  const box = document.createElement('div');
  box.className = 'whole';
  const list = document.createElement('dl');
  const known = [
    ['Event id', event.eventId], ['Kind', event.kind], ['Type', event.eventType], ['Category', event.category],
    ['User', event.userId], ['Session', event.sessionId], ['Happened', event.occurredAt && moment(event.occurredAt)],
    ['Stored', event.receivedAt && moment(event.receivedAt)], ['Page', event.pageUrl], ['Duration', event.durationMs && `${count(event.durationMs)} ms`],
    ['Value', event.value], ['Success', event.success], ['Bot', event.bot || null], ...Object.entries(event.fields ?? {}),
  ];
  for (const [label, value] of known) {
    if (value === null || value === undefined || value === '') continue;
    const term = document.createElement('dt');
    term.textContent = label;
    const definition = document.createElement('dd');
    definition.textContent = typeof value === 'object' ? JSON.stringify(value) : String(value);
    list.append(term, definition);
  }
  box.append(list);
  if (event.properties && Object.keys(event.properties).length > 0) {
    const properties = document.createElement('pre');
    properties.textContent = JSON.stringify(event.properties, null, 2);
    box.append(properties);
  }
  return box;
}

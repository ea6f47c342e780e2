// Events as a list by day: what, when, where, and on opening everything that was sent.

import { describe } from './words.js';
import { el } from '../shared/elements.js';
import { inZone, time } from '../shared/format.js';

const dayOf = inZone({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** `events` newest first; times are of the page's zone. */
export function timeline(events, { people = false, link = null } = {}) {
  const days = new Map();
  for (const event of events) {
    const day = dayOf(Date.parse(event.timestamp));
    days.set(day, [...(days.get(day) ?? []), event]);
  }
  return [...days].map(([day, found]) => el('section', { class: 'day' }, el('h3', {}, day), el('ol', { class: 'events' }, ...found.map((event) => row(event, people, link)))));
}

function row(event, people, link) {
  const { name, detail, where } = describe(event);
  const who = event.user_id ?? event.anonymous_id;
  const person = people ? el(link && who ? 'a' : 'span', { class: 'who', href: link && who ? link(who) : null }, who ?? 'nobody') : null;
  return el('li', { class: `kind-${event.kind}` }, el('details', { 'data-key': event.event_id },
    el('summary', {},
      el('time', { datetime: event.timestamp }, time(Date.parse(event.timestamp))),
      el('span', { class: 'name' }, name, event.bot ? el('span', { class: 'mark' }, 'bot') : null),
      el('span', { class: 'kind' }, event.kind === name ? '' : event.kind),
      el('span', { class: 'detail' }, [detail, where].filter(Boolean).join(' · '))),
    el('pre', { tabindex: '0' }, JSON.stringify(whole(event), null, 2))), person);
}

/** What is known of it; what is not is left out. */
function whole(event) {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null && value !== undefined && JSON.stringify(value) !== '{}'));
}

// Segments: people by what they are and what they did. How many belong to each now, and a way to look at any page for them alone.

import { openBoard } from '../board/board.js';
import { number, percent } from '../board/words.js';
import { el } from '../shared/elements.js';
import { Refused } from '../shared/rest.js';
import { chooseSegment, deleteSegment } from './form.js';
import { ruleWords } from './rules.js';

const MOST = '200';
const board = openBoard({ compare: false });
const kept = board.ask('kept', () => ({ lens: '/api/segments', params: { limit: MOST } }));
const everybody = board.ask('everybody', ({ segment, ...common }) => ({ lens: 'users', params: { ...common, limit: '1' } }));

const again = () => {
  counts.clear();
  return board.refresh({ again: true });
};
const fresh = () => (board.acts && !board.shared ? [el('button', { class: 'button accent', type: 'button', onclick: () => chooseSegment(board, null, again) }, '+ Segment')] : []);

/** What was asked -> a promise of how many people. */
const counts = new Map();

function people(id) {
  const params = { ...board.common(), segment: id, limit: '1' };
  const key = JSON.stringify(params);
  if (!counts.has(key)) counts.set(key, board.source.ask('people', { lens: 'users', params }, new AbortController().signal).then(({ totals }) => totals.active));
  return { key, counted: counts.get(key) };
}

/** A cell that is filled once the people are counted; `write(people)` is what it says. */
function counted(segment, write) {
  const { key, counted: promise } = people(segment.id);
  const make = () => {
    const place = el('span', {}, el('span', { class: 'skeleton' }));
    promise.then((found) => { place.textContent = write(found); }, (error) => {
      if (!(error instanceof Refused)) throw error;
      counts.delete(key);
      place.replaceChildren(el('span', { class: 'wrong', title: error.message }, 'not counted'));
    });
    return place;
  };
  return { facts: [key, segment.created_at, everybody.answer?.totals.active ?? null], make };
}

const ofAll = (found) => {
  const all = everybody.answer?.totals.active;
  return all ? percent((found / all) * 100) : '—';
};

function acts(segment) {
  if (!board.acts || board.shared) return '';
  const make = () => el('span', { class: 'choices' },
    el('button', { class: 'button', type: 'button', 'aria-label': `Change the segment ${segment.name}`, onclick: () => chooseSegment(board, segment, again) }, 'Change'),
    el('button', { class: 'button', type: 'button', 'aria-label': `Delete the segment ${segment.name}`, onclick: () => deleteSegment(segment, again) }, 'Delete'));
  return { facts: segment, make };
}

const use = (segment) => ({ facts: [segment, board.href('/visits')], make: () => el('span', { class: 'choices' },
  ...[['/visits', 'Visits'], ['/users', 'People'], ['/events', 'Events']].map(([path, words]) => el('a', { href: board.href(path, { segment: segment.id }), 'aria-label': `${words} of ${segment.name}` }, words))) });

board.start(board.panel({
  of: kept,
  also: [everybody],
  title: 'Which people belong together?',
  sub: () => (everybody.answer ? `People who were active in this period, ${board.timezone} time, of ${number(everybody.answer.totals.active)} in all` : ''),
  tools: fresh(),
  isEmpty: ({ segments }) => segments.length === 0,
  empty: () => [el('p', {}, 'No segments yet. A segment is people by what they are and what they did, such as those who bought twice, or who signed up and never came back. Every page can be asked about a segment alone.')],
  table: ({ segments }) => ({
    columns: [{ title: 'Segment' }, { title: 'People who', spare: true }, { title: 'People', n: true }, { title: 'Of all', n: true, spare: true }, { title: 'Look at' }, { title: 'Change or delete', hidden: true, spare: true }],
    rows: segments.map((segment) => [segment.name, ruleWords(segment), counted(segment, number), counted(segment, ofAll), use(segment), acts(segment)]),
  }),
}));

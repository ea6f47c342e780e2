// Errors are grouped by type and message. Each opens to where it happened in the code, and an editor may call it
// resolved: until it happens again.

import { copyButton } from '../shared/copy.js';
import { el, facts } from '../shared/elements.js';
import { Refused, send } from '../shared/rest.js';
import { named, number } from '../board/words.js';
import { things, when } from '../shared/words.js';

export function groups(board, errors) {
  return board.panel({
    of: errors,
    title: 'Top errors',
    sub: 'Grouped by type and message; first seen, all time',
    isEmpty: ({ groups: found }) => found.length === 0,
    empty: () => 'No errors in this period.',
    body: ({ groups: found }) => el('ol', { class: 'letters groups' }, ...found.map((group) => el('li', {}, one(board, group, errors)))),
  });
}

function one(board, group, errors) {
  const id = `group-${group.group_id}`;
  return el('article', { class: `letter ${group.resolved ? 'resolved' : ''}`, 'aria-labelledby': id },
    el('div', { class: 'panel-head wrap' }, el('h3', { id }, el('strong', {}, named(group.error_type)), ` ${group.message ?? ''}`), group.resolved ? el('span', { class: 'state', 'data-state': 'SUCCESS' }, 'resolved') : null, board.acts && !board.shared ? decide(board, group, errors) : null),
    facts([
      ['Seen', things(group.count, 'time')],
      ['By', board.shared || group.users === 0 ? things(group.users, 'person', 'people') : el('a', { href: behind(board, group) }, things(group.users, 'person', 'people'))],
      ['First', when(group.first_seen)],
      ['Last', when(group.last_seen)],
      ['Severity', group.severity],
      ['At', group.endpoint],
    ], true),
    group.stack_trace ? el('details', { class: 'fold', 'data-key': group.group_id }, el('summary', {}, 'Stack'), copyButton(() => group.stack_trace, { words: 'Copy the stack' }), el('pre', { tabindex: '0' }, group.stack_trace)) : null);
}

/** The people who had it, on the page of users. */
const behind = (board, { error_type: type, message }) => board.href('/users', { 'where[kind]': 'error', 'where[error_type]': type, 'where[message]': message });

function decide(board, group, errors) {
  const verb = group.resolved ? 'reopen' : 'resolve';
  const problem = el('span', { class: 'wrong', role: 'alert' });
  const button = el('button', { class: 'button', type: 'button', 'data-key': `decide-${group.group_id}`, 'aria-describedby': `group-${group.group_id}`, onclick: act }, group.resolved ? 'Reopen' : 'Resolve');

  async function act() {
    button.disabled = true;
    try {
      await send(`/api/analytics/errors/${group.group_id}/${verb}?project=${encodeURIComponent(board.project)}`, { method: 'POST' });
      await errors.refresh({ quiet: true });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
    }
    button.disabled = false;
  }

  return el('span', { class: 'choices' }, problem, button);
}

// One's own account: name, password, second factor, sessions.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { moment } from '../shared/format.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { browserName } from './agents.js';
import { acts, button, cell, head, show, when } from './cells.js';
import { attempt, onSubmit, showOnce, useToken } from './forms.js';

const factor = document.getElementById('factor');
const FACTOR = '/api/auth/second-factor';

const field = (words, attributes) => el('label', {}, words, el('input', { required: true, autocomplete: 'off', ...attributes }));
const passwordField = () => field('Present password', { name: 'current_password', type: 'password', autocomplete: 'current-password' });
const codeField = (words) => field(words, { name: 'code', maxlength: 64, autocomplete: 'one-time-code', spellcheck: 'false' });

function formOf(id, fields, act, work) {
  const form = el('form', { class: 'form', id }, ...fields, el('button', { class: 'button primary', type: 'submit' }, act));
  onSubmit(form, work);
  return form;
}

const showCodes = (codes) => showOnce('Recovery codes', 'Each logs you in once without the app. They are shown only now: print them, or keep them where you keep passwords.', codes.join('\n'));

const QUIET = 4;
const SVG = 'http://www.w3.org/2000/svg';

/** The code as a drawing, dark on light in every colour scheme, within the empty edge that cameras need. */
function drawn(rows) {
  const whole = rows.length + 2 * QUIET;
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${whole} ${whole}`, class: 'qr', role: 'img', 'aria-label': 'QR code for the app', 'shape-rendering': 'crispEdges' })) svg.setAttribute(name, value);
  path.setAttribute('d', rows.flatMap((row, y) => [...row].map((dark, x) => (dark === '1' ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : ''))).join(''));
  svg.append(path);
  return svg;
}

function begin({ secret, uri, qr }) {
  const grouped = secret.match(/.{1,4}/g).join(' ');
  factor.replaceChildren(
    el('p', {}, 'Let your authenticator app read this, or ', el('a', { href: uri }, 'open the app on this device'), ', or type the key below into it:'),
    drawn(qr),
    el('pre', { tabindex: '0', 'aria-label': 'Key for the app' }, el('code', {}, grouped)),
    formOf('confirm-factor', [codeField('Code that the app shows')], 'Turn it on', async ({ code }) => {
      const made = await send(`${FACTOR}/confirm`, { method: 'POST', body: { code: code.value } });
      await showCodes(made.recovery_codes);
      await lookAtFactor();
    }),
  );
  factor.querySelector('input').focus();
}

const both = (elements) => ({ current_password: elements.current_password.value, code: elements.code.value });

function enabled({ confirmed_at: at, recovery_codes_left: left }) {
  const renew = formOf('renew-codes', [passwordField(), codeField('Code')], 'Make new recovery codes', async (elements) => {
    const made = await send(`${FACTOR}/recovery-codes`, { method: 'POST', body: both(elements) });
    await showCodes(made.recovery_codes);
    await lookAtFactor();
  });
  const remove = formOf('remove-factor', [passwordField(), codeField('Code')], 'Turn it off', async (elements) => {
    await send(`${FACTOR}/remove`, { method: 'POST', body: both(elements) });
    tell(true, 'A login asks for your password alone now.');
    await lookAtFactor();
  });
  factor.replaceChildren(
    el('p', {}, `On since ${moment(Date.parse(at))}. ${left} of 10 recovery codes are left.`),
    el('details', { class: 'fold' }, el('summary', {}, 'New recovery codes'), renew),
    el('details', { class: 'fold' }, el('summary', {}, 'Turn it off'), remove),
  );
}

async function lookAtFactor() {
  const found = await ask(FACTOR);
  if (found.enabled) {
    enabled(found);
    return;
  }
  factor.replaceChildren(el('p', {}, 'Off.'), formOf('begin-factor', [passwordField()], 'Set it up', async ({ current_password: password }) => {
    begin(await send(FACTOR, { method: 'POST', body: { current_password: password.value } }));
  }));
}

async function lookAtSessions() {
  const { sessions } = await ask('/api/auth/sessions');
  const row = (one) => el('tr', {}, head(el('span', { title: one.agent }, browserName(one.agent))), cell('From', one.address), when('Began', one.began_at), when('Last used, about', one.seen_at),
    one.current ? el('td', { class: 'act' }, 'this one') : acts(button('End', `End the session of ${browserName(one.agent)}`, () => end(one))));
  show(sessions.map(row), 5, 'None that Quadra has noted yet: log in again to see this one.');
}

async function end(one) {
  await attempt(async () => {
    await send(`/api/auth/sessions/${one.id}`, { method: 'DELETE' });
    tell(true, 'That session has ended.');
  });
  await attempt(lookAtSessions);
}

document.getElementById('end-others').addEventListener('click', async () => {
  const body = [el('p', {}, 'Every other browser in which you are logged in asks for your password again.')];
  if (!await confirm({ title: 'End all other sessions?', body, act: 'End them' })) return;
  await attempt(async () => {
    useToken((await send('/api/auth/sessions', { method: 'DELETE' })).csrf_token);
    tell(true, 'All other sessions have ended.');
    await lookAtSessions();
  });
});

onSubmit(document.getElementById('name'), async ({ name }) => {
  const { user } = await send('/api/auth/me', { method: 'POST', body: { name: name.value } });
  document.querySelector('.account .who').textContent = user.name || user.email;
  tell(true, 'The name is saved.');
});

onSubmit(document.getElementById('password'), async ({ current_password: current, new_password: fresh }) => {
  const body = { current_password: current.value, new_password: fresh.value };
  useToken((await send('/api/auth/password', { method: 'POST', body })).csrf_token);
  document.getElementById('password').reset();
  tell(true, 'The password is changed. All your other sessions have ended.');
  await lookAtSessions();
});

attempt(lookAtFactor);
attempt(lookAtSessions);

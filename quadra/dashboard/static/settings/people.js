// People: invited by a link, with a role for all projects; disabled rather than deleted, since the audit log names them.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { acts, button, cell, head, show, when } from './cells.js';
import { attempt, baseUrl, email as own, onSubmit, showOnce } from './forms.js';

const ROLES = ['viewer', 'editor', 'admin'];
const form = document.getElementById('invite');

function showLink({ url, user }) {
  const whole = url.startsWith('/') ? baseUrl + url : url;
  return showOnce(`A link for ${user.email}`, 'It works once, within a week. Give it to that person alone.', whole);
}

async function change(user, body, done) {
  await attempt(async () => {
    await send(`/api/users/${user.id}`, { method: 'POST', body });
    tell(true, done);
  });
  await attempt(look);
}

async function asked(title, words, act) {
  return confirm({ title, body: [el('p', {}, words)], act, danger: true });
}

async function disable(user) {
  if (await asked(`Disable ${user.email}?`, 'They are logged out at once and cannot log in, until an admin enables the account again.', 'Disable it')) {
    await change(user, { disabled: true }, `${user.email} is logged out and cannot log in.`);
  }
}

async function factorOff(user) {
  if (await asked(`Turn the second factor of ${user.email} off?`, 'Do this only for somebody who you know has lost both app and recovery codes: their password is enough then.', 'Turn it off')) {
    await change(user, { second_factor: 'off' }, `${user.email} logs in with the password alone.`);
  }
}

async function link(user) {
  await attempt(async () => showLink(await send(`/api/users/${user.id}/password-link`, { method: 'POST' })));
}

function roleOf(user) {
  const select = el('select', { class: 'pill', 'aria-label': `Role of ${user.email}`, autocomplete: 'off' },
    ...ROLES.map((role) => el('option', { value: role, selected: role === user.role }, role)));
  select.addEventListener('change', () => change(user, { role: select.value }, `${user.email} is ${select.value} now.`));
  return select;
}

function row(user) {
  const self = user.email === own;
  const buttons = user.disabled
    ? [button('Enable', `Enable ${user.email}`, () => change(user, { disabled: false }, `${user.email} may log in again.`))]
    : [button('Password link', `Password link for ${user.email}`, () => link(user)),
      button('Second factor off', `Second factor off for ${user.email}`, () => factorOff(user)),
      self ? null : button('Disable', `Disable ${user.email}`, () => disable(user))];
  const choices = el('div', { class: 'choices' }, ...buttons);
  return el('tr', {}, head(user.name ? `${user.name} · ${user.email}` : user.email), cell('Role', self ? `${user.role} (you)` : roleOf(user)),
    cell('Account', user.disabled ? 'disabled' : 'open'), when('Last login', user.last_login_at), acts(choices));
}

async function look() {
  const { users } = await ask('/api/users');
  show(users.map(row), 5, 'Nobody.');
}

onSubmit(form, async ({ email, name, role }) => {
  const made = await send('/api/users/invite', { method: 'POST', body: { email: email.value, name: name.value, role: role.value } });
  form.reset();
  await showLink(made);
  await look();
});

attempt(look);

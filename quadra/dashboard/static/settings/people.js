// People: of this project, and for admins of the installation all accounts. These are disabled rather than deleted, since
// the audit log names them.

import { confirm } from '../shared/confirm.js';
import { el } from '../shared/elements.js';
import { tell } from '../shared/notices.js';
import { ask, send } from '../shared/rest.js';
import { acts, button, cell, head, show, when } from './cells.js';
import { attempt, baseUrl, email as own, onSubmit, project, showOnce, whole } from './forms.js';

const ROLES = ['viewer', 'editor', 'admin'];
const PEOPLE = `/api/projects/${project}/people`;
const form = document.getElementById('invite');

function showLink({ url, user }) {
  const link = url.startsWith('/') ? baseUrl + url : url;
  return showOnce(`A link for ${user.email}`, 'It works once, within a week. Give it to that person alone.', link);
}

async function change(path, options, done) {
  await attempt(async () => {
    await send(path, options);
    tell(true, done);
  });
  await attempt(look);
}

const changeAccount = (user, body, done) => change(`/api/users/${user.id}`, { method: 'POST', body }, done);

async function asked(title, words, act) {
  return confirm({ title, body: [el('p', {}, words)], act, danger: true });
}

async function disable(user) {
  if (await asked(`Disable ${user.email}?`, 'They are logged out at once and cannot log in, until an admin enables the account again.', 'Disable it')) {
    await changeAccount(user, { disabled: true }, `${user.email} is logged out and cannot log in.`);
  }
}

async function factorOff(user) {
  if (await asked(`Turn the second factor of ${user.email} off?`, 'Do this only for somebody who you know has lost both app and recovery codes: their password is enough then.', 'Turn it off')) {
    await changeAccount(user, { second_factor: 'off' }, `${user.email} logs in with the password alone.`);
  }
}

async function takeAway(person) {
  if (await asked(`Take the role of ${person.email} in this project away?`, 'Their role in all projects counts here again. Who has none there does not see this project any more.', 'Take it away')) {
    await change(`${PEOPLE}/${person.id}`, { method: 'DELETE' }, `${person.email} has no role of their own here.`);
  }
}

async function link(user) {
  await attempt(async () => showLink(await send(`/api/users/${user.id}/password-link`, { method: 'POST' })));
}

function choice(label, roles, present, choose) {
  const select = el('select', { class: 'pill', 'aria-label': label, autocomplete: 'off' },
    ...roles.map((role) => el('option', { value: role, selected: role === present }, role)));
  select.addEventListener('change', () => choose(select.value));
  return select;
}

const called = ({ name, email }) => head(name ? `${name} · ${email}` : email);
const state = ({ disabled }) => cell('State', disabled ? 'disabled' : 'open');

function personRow(person) {
  const fixed = person.email === own || (person.source === 'installation' && person.role === 'admin');
  const role = fixed ? person.role : choice(`Role of ${person.email} in this project`, ROLES, person.role, (chosen) => change(
    `${PEOPLE}/${person.id}`, { method: 'PATCH', body: { role: chosen } }, `${person.email} is ${chosen} in this project now.`));
  const here = person.source === 'project';
  return el('tr', {}, called(person), cell('Role here', role), cell('Given', here ? 'in this project' : 'in all projects'), state(person),
    acts(here && person.email !== own ? button('Take away', `Take the role of ${person.email} in this project away`, () => takeAway(person)) : null));
}

function accountRow(user) {
  const self = user.email === own;
  const buttons = user.disabled
    ? [button('Enable', `Enable ${user.email}`, () => changeAccount(user, { disabled: false }, `${user.email} may log in again.`))]
    : [button('Password link', `Password link for ${user.email}`, () => link(user)),
      button('Second factor off', `Second factor off for ${user.email}`, () => factorOff(user)),
      self ? null : button('Disable', `Disable ${user.email}`, () => disable(user))];
  const role = self ? `${user.role} (you)` : choice(`Role of ${user.email} in all projects`, ['none', ...ROLES], user.role,
    (chosen) => changeAccount(user, { role: chosen }, `${user.email} is ${chosen} in all projects now.`));
  const single = Object.entries(user.projects).map(([slug, held]) => `${slug}: ${held}`).join(', ');
  return el('tr', {}, called(user), cell('In all projects', role), cell('In single ones', single || '—'), state(user),
    when('Last login', user.last_login_at), acts(el('div', { class: 'choices' }, ...buttons)));
}

async function look() {
  const [{ people }, all] = await Promise.all([ask(PEOPLE), whole ? ask('/api/users') : null]);
  show(people.map(personRow), 5, 'Nobody.');
  if (all) show(all.users.map(accountRow), 6, 'Nobody.', 'accounts');
}

onSubmit(form, async ({ email, name, role, reach }) => {
  const body = { email: email.value, name: name.value, role: role.value };
  const made = reach.value === 'all' ? await send('/api/users/invite', { method: 'POST', body }) : await send(PEOPLE, { method: 'POST', body });
  const shown = reach.value === 'all' ? made : made.link;
  form.reset();
  if (shown) await showLink(shown);
  else tell(true, `${made.person.email} has an account already, and is ${made.person.role} in this project now.`);
  await look();
});

attempt(look);

// What every signed-in page can do: choose colours, choose a project, open the menu on a small screen. Time, filters and segment
// go along to every other page, and time and filters to other projects.

import { CHANGED, carried } from './shared/carried.js';

const root = document.documentElement;

function chooseTheme(value) {
  if (value === 'auto') delete root.dataset.theme;
  else root.dataset.theme = value;
  try {
    if (value === 'auto') localStorage.removeItem('quadra-theme');
    else localStorage.setItem('quadra-theme', value);
  } catch {
    // The choice then lasts for this page only.
  }
  document.dispatchEvent(new Event('quadra:theme'));
}

const theme = document.getElementById('theme');
const current = root.dataset.theme || 'auto';
for (const radio of theme.querySelectorAll('input')) radio.checked = radio.value === current;
theme.addEventListener('change', (event) => chooseTheme(event.target.value));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => document.dispatchEvent(new Event('quadra:theme')));

const picker = document.getElementById('picker');
picker?.addEventListener('change', () => picker.requestSubmit());

function hidden([name, value]) {
  const field = document.createElement('input');
  Object.assign(field, { type: 'hidden', name, value });
  return field;
}

function carry() {
  for (const link of document.querySelectorAll('nav[aria-label="Main"] a')) {
    const url = new URL(link.href);
    const project = url.searchParams.get('project');
    url.search = new URLSearchParams([...(project ? [['project', project]] : []), ...carried()]);
    link.href = url.href;
  }
  for (const field of picker?.querySelectorAll('input[type="hidden"]') ?? []) field.remove();
  picker?.append(...carried({ toOtherProject: true }).map(hidden));
}
document.addEventListener(CHANGED, carry);
carry();

const menu = document.getElementById('menu');
// a low window shows a part of the menu: the one with the page that is open
menu.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
const menuButton = document.querySelector('.menu-button');
function openMenu(open) {
  menu.classList.toggle('open', open);
  menuButton.setAttribute('aria-expanded', String(open));
}
menuButton.addEventListener('click', () => openMenu(!menu.classList.contains('open')));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !menu.classList.contains('open')) return;
  openMenu(false);
  menuButton.focus();
});

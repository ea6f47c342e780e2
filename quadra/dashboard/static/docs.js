// The page about the API: find a door by any word of it, open doors by address, copy examples.

const find = document.getElementById('find');
const found = document.getElementById('found');
const nothing = document.getElementById('nothing');
const openAll = document.getElementById('open-all');
const groups = [...document.querySelectorAll('.group')];
const doors = [...document.querySelectorAll('.door')].map((element) => ({
  element,
  group: element.closest('.group'),
  text: `${element.closest('.group').querySelector('h2').textContent} ${element.textContent}`.toLowerCase(),
}));

function show() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  const full = new Set();
  for (const door of doors) {
    const fits = words.every((word) => door.text.includes(word));
    door.element.hidden = !fits;
    if (!fits) continue;
    count += 1;
    full.add(door.group);
  }
  for (const group of groups) {
    const hidden = words.length > 0 && !full.has(group);
    group.hidden = hidden;
    const entry = document.querySelector(`[data-group="${group.id}"]`);
    if (entry) entry.hidden = hidden;
  }
  nothing.hidden = count > 0 || words.length === 0;
  found.textContent = words.length === 0 ? '' : `${count} found`;
}

function openAddressed() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest('[hidden]')) clear();
  if (target.matches('details')) target.open = true;
  target.scrollIntoView();
}

function clear() {
  find.value = '';
  show();
}

async function copy(text, source) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  // Plain http on a name other than localhost has no clipboard API; a selection still works.
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand('copy');
}

find.addEventListener('input', show);
find.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') clear();
  if (event.key !== 'Enter') return;
  const first = doors.find((door) => !door.element.hidden);
  if (!first || find.value.trim() === '') return;
  first.element.open = true;
  first.element.querySelector('summary').focus();
});
document.getElementById('clear').addEventListener('click', () => {
  clear();
  find.focus();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target.matches('input, select, textarea')) return;
  event.preventDefault();
  find.focus();
  find.select();
});

openAll.addEventListener('click', () => {
  const open = openAll.getAttribute('aria-pressed') !== 'true';
  openAll.setAttribute('aria-pressed', String(open));
  openAll.textContent = open ? 'Close all' : 'Open all';
  for (const { element } of doors) element.open = open;
});

document.getElementById('main').addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (button) {
    const source = document.getElementById(button.dataset.copy);
    const done = await copy(source.textContent, source).catch(() => false);
    button.textContent = done ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    return;
  }
  const summary = event.target.closest('.door > summary');
  // the address then names what is being read, so that it can be passed on
  if (summary && !summary.parentElement.open) history.replaceState(null, '', `#${summary.parentElement.id}`);
});

window.addEventListener('hashchange', openAddressed);
show();
openAddressed();

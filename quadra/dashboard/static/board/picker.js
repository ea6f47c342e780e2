// A text with names to choose from: typing searches them, arrows and Enter choose, Escape closes. Whoever knows the name can
// write it without choosing. The list lies in the top layer beside its input, so that it shows in a dialog too.

import { el } from '../shared/elements.js';
import { shortened } from './words.js';

const SHOWN = 50;
const GAP = 4;

let made = 0;

/** Of `names` those that have all words of `text`; what begins with it comes first. */
export function matching(names, text) {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/).filter(Boolean);
  const found = names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
  const begins = (name) => (name.toLowerCase().startsWith(wanted) ? 0 : 1);
  return words.length ? found.sort((a, b) => begins(a) - begins(b)) : found;
}

/**
 * Makes `input` one that searches; gives the list, which belongs right behind it. `names()` is a promise of names, asked for each
 * time somebody goes there; where they cannot be had, the input is a plain one. Choosing is a `change` of the input.
 */
export function picker(input, names) {
  made += 1;
  const list = el('ul', { class: 'picks', id: `picks-${made}`, role: 'listbox', 'aria-label': 'Suggestions', popover: 'manual', tabindex: '-1' });
  let known = [];
  let marked = -1;
  let opened = null;
  for (const [name, value] of Object.entries({ role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id, autocomplete: 'off', spellcheck: 'false' })) input.setAttribute(name, value);

  const isOpen = () => input.getAttribute('aria-expanded') === 'true';

  function close() {
    if (!isOpen()) return;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
    marked = -1;
    opened.abort();
    if (list.isConnected) list.hidePopover();
  }

  function mark(place) {
    list.children[marked]?.setAttribute('aria-selected', 'false');
    marked = place;
    const option = list.children[place];
    option?.setAttribute('aria-selected', 'true');
    option?.scrollIntoView({ block: 'nearest' });
    if (option) input.setAttribute('aria-activedescendant', option.id);
    else input.removeAttribute('aria-activedescendant');
  }

  function choose(name) {
    input.value = name;
    close();
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }

  /** Below the input, or above it where there is more room. */
  function put() {
    const { left, top, bottom, width } = input.getBoundingClientRect();
    const below = innerHeight - bottom;
    const upwards = below < 12 * GAP * GAP && top > below;
    Object.assign(list.style, {
      left: `${left}px`, minWidth: `${width}px`, maxHeight: `min(22rem, ${(upwards ? top : below) - 3 * GAP}px)`,
      top: upwards ? 'auto' : `${bottom + GAP}px`, bottom: upwards ? `${innerHeight - top + GAP}px` : 'auto',
    });
  }

  /** `all`: not only what fits the text, as when somebody comes to a field that has a value. */
  function open(all = false) {
    const found = matching(known, all ? '' : input.value).slice(0, SHOWN);
    if (found.length === 0 || document.activeElement !== input) {
      close();
      return;
    }
    list.replaceChildren(...found.map((name, place) => el('li', {
      role: 'option', id: `${list.id}-${place}`, 'aria-selected': 'false', title: name,
      onpointerdown: (event) => event.preventDefault(), // the focus stays in the input
      onclick: () => choose(name),
    }, shortened(name, 80))));
    marked = -1;
    input.removeAttribute('aria-activedescendant');
    put();
    if (isOpen()) return;
    input.setAttribute('aria-expanded', 'true');
    list.showPopover();
    opened = new AbortController();
    addEventListener('scroll', (event) => !list.contains(event.target) && close(), { capture: true, passive: true, signal: opened.signal });
    addEventListener('resize', close, { signal: opened.signal });
  }

  const come = async () => {
    const came = input.value;
    const found = await names().catch(() => []);
    known = found.filter((name) => name !== '');
    if (document.activeElement === input && !isOpen()) open(input.value === came);
  };
  input.addEventListener('focus', come);
  input.addEventListener('click', () => open(true));
  input.addEventListener('input', () => open());
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    const { key } = event;
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      if (!isOpen()) open(true);
      const most = list.children.length - 1;
      if (isOpen()) mark(key === 'ArrowDown' ? Math.min(marked + 1, most) : marked <= 0 ? most : marked - 1);
    } else if (key === 'Enter' && isOpen() && marked >= 0) {
      choose(list.children[marked].title);
    } else if (key === 'Escape' && isOpen()) {
      event.stopPropagation();
      close();
    } else return;
    event.preventDefault();
  });
  return list;
}

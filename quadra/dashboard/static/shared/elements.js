// How elements are made: text is always text, never markup, whoever it comes from.

/** `el('a', {href}, 'text', child, null)`; attributes that are null, undefined or false are left out; `onclick` and the like are functions. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false && child !== ''));
  return element;
}

/** A text as children of an element: where it is too long for its line, it breaks after a sign between words, as in `checkout_completed`. */
export const parted = (text) => String(text).split(/(?<=[\p{L}\p{N}][_./@:-])(?=\p{L})/u).flatMap((part, place) => (place ? [el('wbr'), part] : [part]));

const shown = new WeakMap();

const named = (one) => `${one.tagName} ${one.dataset.key ?? one.getAttribute('aria-label') ?? one.textContent}`;

/** What can come in the place of an element that was drawn again: those within `place` that are called the same. */
export const alike = (element, place = document) => [...place.querySelectorAll(element.tagName)].filter((one) => named(one) === named(element));

/** Puts `children` into a place instead of what is there. What has the focus keeps it, where it is still there. */
export function replace(place, children) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const at = focused ? alike(focused, place).indexOf(focused) : -1;
  place.replaceChildren(...children);
  if (!focused || focused.isConnected) return;
  const again = alike(focused, place);
  (again[at] ?? again[0])?.focus({ preventScroll: true });
}

/** Fill a place only when what it shows has changed: a fold that was opened stays open, and nothing flickers. */
export function fill(place, facts, make) {
  const signature = JSON.stringify(facts);
  if (shown.get(place) === signature) return;
  shown.set(place, signature);
  replace(place, [make()].flat().filter((child) => child !== null && child !== undefined && child !== ''));
}

/** A definition list of [word, what it is]; what is unknown is left out. `row`: beside one another where there is room. */
export function facts(pairs, row = false) {
  const list = el('dl', { class: row ? 'facts row' : 'facts' });
  for (const [word, value] of pairs) {
    if (value === null || value === undefined || value === '') continue;
    list.append(el('div', {}, el('dt', {}, word), el('dd', {}, value)));
  }
  return list;
}

// The one notice under the head of a page. Several parts of a page may be in trouble; the one that was first is shown.

const place = document.getElementById('problem');
const troubles = new Map();

/** `sentence` about `source`; null when it is well again. `link` is [text, href]. */
export function say(source, sentence, link = null) {
  if (sentence) troubles.set(source, { sentence, link });
  else troubles.delete(source);
  const [first] = troubles.values();
  place.hidden = !first;
  place.textContent = first?.sentence ?? '';
  if (!first?.link) return;
  const anchor = document.createElement('a');
  [anchor.textContent, anchor.href] = first.link;
  place.append(' ', anchor);
}

export const logIn = () => ['Log in again', `/login?next=${encodeURIComponent(location.pathname + location.search)}`];

/** The state of the live connection, where it is one that does not mend itself. */
export function sayState(state, reason) {
  const sentence = { 'signed-out': 'You are logged out, so this page has stopped updating.', refused: reason }[state];
  say('connection', sentence, state === 'signed-out' ? logIn() : null);
}

export const NO_LIBRARY = 'The live connection needs a library that could not be loaded. Reload the page; if it stays, the server was set up without its front-end libraries.';

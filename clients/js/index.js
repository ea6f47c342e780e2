// Send events to Quadra from a bundled page, a React or Vue application, or Node. On a page that has q.js its calls go there, so
// that one queue and one consent hold for both. Elsewhere events are queued here and sent in batches, with the same id until the
// server has answered.

const MAX_QUEUE = 10000;
const MAX_BATCH = 100;
const MAX_WAIT = 60000;
const LINGER = 50;
const FOR_GOOD = [400, 401, 403, 413];

const settings = { url: '', key: '', onLost: (event, why) => console.warn(`quadra: ${event.eventType} was not stored: ${why}`) };
let queue = [];
let user = {};
let timer = null;
let sending = null;
let failures = 0;

const tracker = () => (typeof window !== 'undefined' && window.quadra && window.quadra.track ? window.quadra : null);

/** Once, before the first event: `{url, key}`. */
export function configure(options) {
  Object.assign(settings, options);
}

function put(event) {
  if (queue.length >= MAX_QUEUE) {
    settings.onLost(event, 'too many events wait');
    return;
  }
  queue.push(JSON.parse(JSON.stringify({ eventId: crypto.randomUUID(), timestamp: Date.now(), ...user, ...event })));
  later(LINGER);
}

function later(wait) {
  if (timer) return;
  timer = setTimeout(() => {
    timer = null;
    flush();
  }, wait);
}

async function send() {
  const batch = queue.slice(0, MAX_BATCH);
  let answer;
  try {
    answer = await fetch(`${settings.url.replace(/\/$/, '')}/api/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Quadra-Key': settings.key },
      body: JSON.stringify({ sentAt: Date.now(), events: batch }),
    });
  } catch (error) {
    return false;
  }
  if (!answer.ok && !FOR_GOOD.includes(answer.status)) return Number(answer.headers.get('Retry-After')) * 1000 || false;
  const told = await answer.json().catch(() => ({}));
  queue = queue.slice(batch.length);
  if (!answer.ok) batch.forEach((event) => settings.onLost(event, (told.error && told.error.message) || answer.status));
  else (told.results || []).forEach((one) => one.status === 'refused' && settings.onLost(batch[one.index], one.message));
  return true;
}

/** Send what is queued. True when all of it has an answer; false when the server did not answer, and it is tried again later. */
export async function flush() {
  if (sending) return sending;
  sending = (async () => {
    while (queue.length) {
      const done = await send();
      if (done !== true) {
        const backoff = Math.min(MAX_WAIT, 1000 * 2 ** failures) * (0.5 + Math.random() / 2);
        failures += 1;
        later(Math.max(done || 0, backoff));
        return false;
      }
      failures = 0;
    }
    return true;
  })();
  try {
    return await sending;
  } finally {
    sending = null;
  }
}

/** An event with its properties; `fields` are more fields of Quadra, such as `value`. */
export function trackEvent(eventType, properties = {}, fields = {}) {
  const there = tracker();
  if (there) there.track(eventType, properties, fields);
  else put({ eventType, metadata: properties, ...fields });
}

/** Who it is, from now on. */
export function identify(userId, traits = {}) {
  const there = tracker();
  if (there) {
    there.identify(userId, traits);
    return;
  }
  user = { userId: String(userId) };
  put({ kind: 'identify', eventType: 'identify', traits });
}

/** A page or screen was seen. On a page q.js counts them by itself. */
export function trackPage(pageUrl, pageTitle) {
  const there = tracker();
  if (there) there.page();
  else put({ kind: 'page', eventType: 'page_view', pageUrl, pageTitle });
}

/** After a log-out. */
export function reset() {
  user = {};
  if (tracker()) tracker().reset();
}

const analytics = Object.freeze({ trackEvent, trackPage, identify, reset, flush });

/** The same functions in each render, so that effects may name them as dependencies. */
export function useAnalytics() {
  return analytics;
}

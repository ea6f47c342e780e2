/*
 * Quadra's browser tracker: counts page views by itself and sends what the page tells it. Options: docs/tracker.md.
 *
 *   <script async src="https://your-quadra/q.js" data-key="qk_…"></script>
 *
 * What it promises: an event gets its id once, when it happens, so sending it again can never count it twice. It leaves
 * the queue only when the server has answered for it. No cookies, and nothing that tells one device from another stays on it
 * unless the reader agreed: localStorage holds events that wait, or memory where that is forbidden. It must never throw into
 * the page it is a guest of.
 */
((window, document, navigator, location) => {
  'use strict';

  const script = document.currentScript || document.querySelector('script[data-key]');
  const option = (name) => script && script.getAttribute('data-' + name);
  const key = option('key') || option('website-id') || option('domain');
  const early = window.quadra;
  if (!key || (early && early.track)) return;

  const host = option('host') || option('host-url') || new URL(script.src).origin;
  const url = new URL(option('api') || host.replace(/\/$/, '') + '/api/events', location.href).href;
  const words = (name) => (option(name) || '').split(/[\s,]+/).filter(Boolean);
  const on = (type, call) => window.addEventListener(type, call);

  const MAX_QUEUE = 500; // what a long time offline may leave behind
  const MAX_BATCH = 100;
  const MAX_BYTES = 50000; // browsers refuse keepalive requests and beacons above 64 kB
  const MAX_AGE = 7 * 864e5; // older ones could be past the server's memory of ids, and count twice
  const SESSION_IDLE = 18e5;
  const LINGER = 50; // events of the same moment travel together
  const MAX_WAIT = 6e4;

  // --- storage: one name per project, memory where the browser says no or nobody agreed ---

  const prefix = 'quadra.' + key.slice(0, 12) + '.';
  const memory = {};

  const read = (name) => {
    if (name in memory) return memory[name];
    try {
      return JSON.parse(window.localStorage.getItem(prefix + name));
    } catch (error) {
      return null;
    }
  };
  const write = (name, value) => {
    try {
      if (value == null) window.localStorage.removeItem(prefix + name);
      else window.localStorage.setItem(prefix + name, JSON.stringify(value));
      delete memory[name];
    } catch (error) {
      memory[name] = value; // forbidden or full
    }
  };
  const agreed = () => read('anonymous');
  const keep = (name, value) => (agreed() ? write(name, value) : (memory[name] = value));

  const uuid = () =>
    window.crypto && crypto.randomUUID
      ? crypto.randomUUID() // plain http has none; the random bytes are there all the same
      : '10000000-1000-4000-a000-100000000000'.replace(/[10](?=[10]|-|$)/g, () =>
          (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16));

  const sessionId = () => {
    const now = Date.now();
    let session = read('session');
    if (!session || now - session.last > SESSION_IDLE) session = { id: uuid() };
    session.last = now;
    keep('session', session);
    return session.id;
  };

  // --- what is left alone ---

  const pattern = (text) => new RegExp('^' + text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*\*?/g, (star) => (star[1] ? '.*' : '[^/]*')) + '$');
  const excluded = () =>
    words('exclude').some((word) =>
      word === 'localhost'
        ? /^(localhost|127\..*|\[::1\]|)$/.test(location.hostname)
        : pattern(word).test(location.pathname));
  const refused = option('respect-dnt') !== null && (navigator.doNotTrack === '1' || navigator.globalPrivacyControl);

  // --- the queue: read, changed and written in one go, since other tabs share it ---

  const queue = () => (read('queue') || []).filter((event) => event.timestamp > Date.now() - MAX_AGE);
  const store = (events) => write('queue', events.length ? events : null);
  const warn = (text) => console.warn('quadra: ' + text);

  let full = false;

  const send = (event) => {
    if (refused || excluded()) return;
    const parameters = new URLSearchParams(location.search);
    const query = words('query').filter((name) => parameters.has(name)).map((name) => name + '=' + parameters.get(name)).join('&');
    event = {
      eventId: uuid(),
      timestamp: Date.now(),
      anonymousId: agreed() || undefined,
      userId: read('user') || undefined,
      sessionId: sessionId(),
      pageUrl: location.href,
      pageQuery: query.slice(0, 500) || undefined,
      language: navigator.language || undefined,
      screen: screen.width + 'x' + screen.height,
      ...event
    };
    try {
      event = JSON.parse(JSON.stringify(event)); // now, not when it is sent: the page may change its object later
    } catch (error) {
      return warn('not JSON, not sent');
    }
    const all = queue().concat(event);
    if (all.length > MAX_QUEUE && !full) warn('the queue is full, the oldest are dropped');
    full = all.length > MAX_QUEUE;
    store(all.slice(-MAX_QUEUE));
    later(LINGER);
  };

  // --- sending: one request at a time, the same ids until the server has answered ---

  let timer = null;
  let due = 0;
  let sending = [];
  let failures = 0;

  const later = (wait) => {
    const when = Date.now() + wait;
    if (timer && (failures || due <= when)) return; // the server asked for patience, or it comes sooner anyway
    clearTimeout(timer);
    due = when;
    timer = setTimeout(flush, wait);
  };

  const batch = () => {
    let bytes = 0;
    return queue()
      .filter((event) => !sending.includes(event.eventId))
      .slice(0, MAX_BATCH)
      .filter((event, at) => (bytes += new Blob([JSON.stringify(event)]).size + 1) < MAX_BYTES || !at);
  };
  const body = (events) => JSON.stringify({ sentAt: Date.now(), events });

  const flush = () => {
    clearTimeout(timer);
    timer = null;
    if (sending.length || navigator.onLine === false) return; // "online" and the answer both call again
    const events = batch();
    if (!events.length) return;
    sending = events.map((event) => event.eventId);
    const text = body(events);
    fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Quadra-Key': key },
      body: text,
      credentials: 'omit',
      keepalive: text.length < MAX_BYTES
    }).then(answered, () => retry(0));
  };

  const answered = (response) => {
    const status = response.status;
    if (!response.ok && ![400, 401, 403, 413].includes(status)) {
      const after = response.headers.get('Retry-After');
      return retry(after ? (isNaN(after) ? Date.parse(after) - Date.now() : after * 1000) : 0);
    }
    if (!response.ok) warn(sending.length + ' event(s) refused for good, status ' + status);
    failures = 0;
    store(queue().filter((event) => !sending.includes(event.eventId)));
    sending = [];
    if (queue().length) later(0);
  };

  const retry = (wait) => {
    sending = [];
    const backoff = Math.min(MAX_WAIT, 1000 * 2 ** failures) * (0.5 + Math.random() / 2);
    failures += 1;
    later(Math.max(wait || 0, backoff));
  };

  const online = () => {
    failures = 0;
    clearTimeout(timer);
    timer = null;
    later(0);
  };

  let gone = false;
  const leave = (page) => hooks.forEach((call) => call(page));

  // A beacon has no answer, so what it carries stays queued; the server knows the ids if it comes again.
  const goodbye = () => {
    gone = true;
    leave(true);
    const events = batch();
    if (events.length && navigator.sendBeacon) navigator.sendBeacon(url + '?key=' + encodeURIComponent(key), body(events));
  };

  // --- what the page can say ---

  const track = (eventType, metadata, more) => {
    if (typeof eventType === 'string' && eventType) send({ eventType, metadata: metadata || {}, ...more });
    else warn('an event needs a name');
  };

  const identify = (userId, traits) => {
    if (userId == null || userId === '') return warn('identify needs a user id');
    keep('user', String(userId));
    send({ kind: 'identify', eventType: 'identify', traits: traits || {} });
  };

  const reset = () => ['user', 'anonymous', 'session'].forEach((name) => {
    delete memory[name];
    write(name, null);
  });

  // From now on this device has an id that lasts, or has none again.
  const consent = (yes) => {
    const user = read('user');
    if (yes === false) return reset();
    if (!agreed()) write('anonymous', uuid());
    if (user) keep('user', user);
  };

  const typed = (kind, fields, metadata) => send({ kind, eventType: kind, metadata: metadata || {}, ...fields });
  const feature = (featureName, action, metadata) => typed('feature', { featureName, action: action || 'used' }, metadata);
  const funnel = (funnelName, stage, stageOrder, metadata) => typed('funnel', { funnelName, stage, stageOrder }, metadata);
  const survey = (surveyType, score, more) => typed('survey', { surveyType, score, ...more });
  const revenue = (amount, currency, name, metadata) =>
    track(name || 'purchase', { revenue: amount, currency, ...metadata }, { value: amount });

  // --- page views: the first, and every change of address a script makes ---

  let seen = null;
  let pageTimer = null;

  const address = () => {
    const hash = /^#!?\//.test(location.hash) ? location.hash : ''; // a route, not a place in the page
    return location.origin + location.pathname + location.search + hash;
  };

  const page = () => {
    const referrer = seen || document.referrer || undefined;
    seen = address();
    send({ kind: 'page', eventType: 'page_view', pageTitle: document.title, referrer });
  };

  // A moment later: routers often redirect at once, and set the title after the address.
  const moved = () => {
    clearTimeout(pageTimer);
    pageTimer = setTimeout(() => {
      if (address() === seen || option('manual') !== null) return;
      leave();
      page();
    }, LINGER);
  };

  ['pushState', 'replaceState'].forEach((name) => {
    const original = window.history[name];
    window.history[name] = function () {
      const result = original.apply(this, arguments);
      moved();
      return result;
    };
  });

  // --- clicks and forms ---

  const propsOf = (element) => {
    const props = {};
    for (const { name, value } of element.attributes) {
      if (/^data-quadra-(?!event$)/.test(name)) props[name.slice(12).replace(/-/g, '_')] = value;
    }
    return props;
  };

  const acted = ({ target, type, button }) => {
    if (!target || !target.closest || button > 1) return;
    const sent = type === 'submit';
    const marked = target.closest('[data-quadra-event]');
    if (marked && (marked.tagName === 'FORM') === sent) track(marked.getAttribute('data-quadra-event'), propsOf(marked));
    const link = !sent && target.closest('a[href]');
    if (!link || link === marked || !/^http/.test(link.protocol)) return;
    if (link.host !== location.host) track('outbound_click', { url: link.href, host: link.host });
  };

  ['click', 'auxclick', 'submit'].forEach((type) => document.addEventListener(type, acted, true));

  // --- what the second file adds, where the tag asks for it ---

  const hooks = []; // called when the address changed, and with true when the page is left
  const missed = []; // errors until it has come
  const wanted = words('track');
  if (wanted.length) {
    if (/errors|all/.test(wanted)) ['error', 'unhandledrejection'].forEach((type) => on(type, (event) => missed.push(event)));
    const more = document.createElement('script');
    more.src = option('more') || new URL('/q-more.js', host).href;
    document.head.append(more);
  }

  on('popstate', moved);
  on('hashchange', moved);
  on('online', online);
  on('pagehide', goodbye);
  on('pageshow', () => {
    gone = false;
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'hidden' || gone) return;
    leave(true);
    if (!failures) flush();
  });

  const quadra = (type, ...rest) => (type === 'identify' ? identify(...rest) : track(type, ...rest)); // also from the early queue
  Object.assign(quadra, { track, identify, page, reset, consent, feature, funnel, survey, revenue });
  quadra.more = { send, track, wanted, hooks, missed, seen: () => seen }; // for the second file
  window.quadra = quadra;

  // The calls of pages that were made for another tracker.
  const waiting = window.plausible && window.plausible.q;
  if (option('website-id')) window.umami = { track: (name, data) => (name ? track(name, data) : page()), identify };
  if (option('domain')) window.plausible = (name, more) => (name === 'pageview' ? page() : track(name, more && more.props));

  // A page that the browser renders in advance has not been seen by anybody yet.
  const start = () => (option('manual') === null ? page() : (seen = address()));
  if (document.prerendering) document.addEventListener('prerenderingchange', start, { once: true });
  else start();
  ((early && early.q) || []).forEach((call) => quadra(...call));
  (waiting || []).forEach((call) => window.plausible(...call));
  if (queue().length) later(LINGER); // what an earlier page left
})(window, document, navigator, location);

/*
 * Quadra's browser tracker: counts page views by itself and sends what the page tells it.
 *
 *   <script async src="https://your-quadra/q.js" data-key="qk_…"></script>
 *
 *   quadra('signup', {plan: 'pro'})          the same as quadra.track('signup', {plan: 'pro'})
 *   quadra.identify('user_42', {plan: 'pro'})   quadra.page()   quadra.reset()  (after a log-out)
 *   <button data-quadra-event="buy" data-quadra-sku="A1">      a click, or a form sent; links that leave are counted too
 *
 * Attributes of the tag: data-key (needed), data-respect-dnt (send nothing when the reader asked not to be tracked),
 * data-host (where Quadra is, if the file was copied elsewhere). To call before the file has come:
 *   window.quadra = window.quadra || function () { (quadra.q = quadra.q || []).push(arguments) }
 *
 * What it promises: an event gets its id once, when it happens, so sending it again can never count it twice. It leaves
 * the queue only when the server has answered for it. No cookies; what it keeps lies in localStorage, or in memory where
 * that is forbidden. It must never throw into the page it is a guest of.
 */
(function (window, document, navigator) {
  'use strict';

  var script = document.currentScript || document.querySelector('script[data-key][src*="q.js"]');
  var key = script && script.getAttribute('data-key');
  var early = window.quadra;
  if (!key || (early && early.track)) return;

  var host = script.getAttribute('data-host') || new URL(script.src).origin;
  var url = host.replace(/\/$/, '') + '/api/events';

  var MAX_QUEUE = 500; // what a long time offline may leave behind
  var MAX_BATCH = 100;
  var MAX_BYTES = 50000; // browsers refuse keepalive requests and beacons above 64 kB
  var MAX_AGE = 7 * 864e5; // older ones could be past the server's memory of ids, and count twice
  var SESSION_IDLE = 30 * 6e4;
  var LINGER = 50; // events of the same moment travel together
  var MAX_WAIT = 60000;

  function silent(type, props) {}
  silent.track = silent.identify = silent.page = silent.reset = silent;
  if (script.hasAttribute('data-respect-dnt') && (navigator.doNotTrack === '1' || navigator.globalPrivacyControl)) {
    window.quadra = silent;
    return;
  }

  // --- storage: one name per project, memory where the browser says no ---

  var prefix = 'quadra.' + key.slice(0, 12) + '.';
  var memory = {};

  function read(name) {
    if (name in memory) return memory[name];
    try {
      return JSON.parse(window.localStorage.getItem(prefix + name));
    } catch (error) {
      return null;
    }
  }

  function write(name, value) {
    try {
      window.localStorage.setItem(prefix + name, JSON.stringify(value));
      delete memory[name];
    } catch (error) {
      memory[name] = value; // forbidden or full
    }
  }

  function uuid() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    // Plain http has no randomUUID; the random bytes are there all the same.
    var bytes = crypto.getRandomValues(new Uint8Array(36));
    return 'xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx'.replace(/x/g, function (_, at) {
      return (bytes[at] & 15).toString(16);
    });
  }

  function anonymousId() {
    var id = read('anonymous');
    if (!id) write('anonymous', (id = uuid()));
    return id;
  }

  function sessionId() {
    var session = read('session');
    var now = Date.now();
    if (!session || now - session.last > SESSION_IDLE) session = { id: uuid() };
    session.last = now;
    write('session', session);
    return session.id;
  }

  // --- the queue: read, changed and written in one go, since other tabs share it ---

  function queue() {
    var oldest = Date.now() - MAX_AGE;
    return (read('queue') || []).filter(function (event) {
      return event.timestamp > oldest;
    });
  }

  function leave(ids) {
    write('queue', queue().filter(function (event) {
      return ids.indexOf(event.eventId) < 0;
    }));
  }

  function warn(text) {
    if (window.console) console.warn('quadra: ' + text);
  }

  var full = false;

  function send(event) {
    event.eventId = uuid();
    event.timestamp = Date.now();
    event.anonymousId = anonymousId();
    event.sessionId = sessionId();
    event.pageUrl = location.href;
    event.language = navigator.language || undefined;
    event.screen = window.screen ? screen.width + 'x' + screen.height : undefined;
    event.userId = read('user') || undefined;
    try {
      event = JSON.parse(JSON.stringify(event)); // now, not when it is sent: the page may change its object later
    } catch (error) {
      return warn('an event that is not JSON was not sent');
    }
    var all = queue().concat(event);
    if (all.length > MAX_QUEUE && !full) warn('the queue is full, the oldest events are dropped');
    full = all.length > MAX_QUEUE;
    write('queue', all.slice(-MAX_QUEUE));
    later(LINGER);
  }

  // --- sending: one request at a time, the same ids until the server has answered ---

  var timer = null;
  var due = 0;
  var sending = [];
  var failures = 0;

  function later(wait) {
    var when = Date.now() + wait;
    if (timer && due <= when) return;
    if (failures && timer) return; // the server asked for patience
    clearTimeout(timer);
    due = when;
    timer = setTimeout(flush, wait);
  }

  function batch(skip) {
    var bytes = 0;
    var events = queue().filter(function (event) {
      return skip.indexOf(event.eventId) < 0;
    });
    var fits = events.slice(0, MAX_BATCH).filter(function (event, at) {
      bytes += new Blob([JSON.stringify(event)]).size + 1;
      return at === 0 || bytes < MAX_BYTES;
    });
    return fits;
  }

  function ids(events) {
    return events.map(function (event) {
      return event.eventId;
    });
  }

  function body(events) {
    return JSON.stringify({ sentAt: Date.now(), events: events });
  }

  function flush() {
    clearTimeout(timer);
    timer = null;
    if (sending.length || navigator.onLine === false) return; // "online" and the answer both call again
    var events = batch([]);
    if (!events.length) return;
    sending = ids(events);
    var text = body(events);
    window.fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Quadra-Key': key },
      body: text,
      credentials: 'omit',
      keepalive: text.length < MAX_BYTES
    }).then(answered, function () {
      retry(0);
    });
  }

  function answered(response) {
    var status = response.status;
    if (!response.ok && [400, 401, 403, 413].indexOf(status) < 0) {
      var after = response.headers.get('Retry-After');
      return retry(after ? (isNaN(after) ? Date.parse(after) - Date.now() : after * 1000) : 0);
    }
    if (!response.ok) warn(sending.length + ' event(s) refused for good, status ' + status);
    failures = 0;
    leave(sending);
    sending = [];
    if (queue().length) later(0);
  }

  function retry(wait) {
    sending = [];
    var backoff = Math.min(MAX_WAIT, 1000 * Math.pow(2, failures)) * (0.5 + Math.random() / 2);
    failures += 1;
    later(Math.max(wait || 0, backoff));
  }

  function online() {
    if (failures) {
      failures = 0;
      clearTimeout(timer);
      timer = null;
    }
    later(0);
  }

  var gone = false;

  // A beacon has no answer, so what it carries stays queued; the server knows the ids if it comes again.
  function goodbye() {
    gone = true;
    var events = batch(sending);
    if (events.length && navigator.sendBeacon) navigator.sendBeacon(url + '?key=' + encodeURIComponent(key), body(events));
  }

  // --- what the page can say ---

  function track(type, props) {
    if (typeof type === 'string' && type) send({ eventType: type, metadata: props || {} });
    else warn('an event needs a name');
  }

  function identify(userId, traits) {
    if (userId === undefined || userId === null || userId === '') return warn('identify needs a user id');
    write('user', String(userId));
    send({ kind: 'identify', eventType: 'identify', traits: traits || {} });
  }

  function reset() {
    ['user', 'anonymous', 'session'].forEach(function (name) {
      write(name, null);
    });
  }

  // --- page views: the first, and every change of address a script makes ---

  var seen = null;
  var pageTimer = null;

  function address() {
    var hash = location.hash.indexOf('#/') === 0 ? location.hash : ''; // a route, not a place in the page
    return location.origin + location.pathname + location.search + hash;
  }

  function page() {
    var referrer = seen || document.referrer || undefined;
    seen = address();
    send({ kind: 'page', eventType: 'page_view', pageTitle: document.title, referrer: referrer });
  }

  // A moment later: routers often redirect at once, and set the title after the address.
  function moved() {
    clearTimeout(pageTimer);
    pageTimer = setTimeout(function () {
      if (address() !== seen) page();
    }, LINGER);
  }

  ['pushState', 'replaceState'].forEach(function (name) {
    var original = window.history[name];
    window.history[name] = function () {
      var result = original.apply(this, arguments);
      moved();
      return result;
    };
  });

  // --- clicks ---

  function propsOf(element) {
    var props = {};
    [].forEach.call(element.attributes, function (attribute) {
      if (attribute.name.indexOf('data-quadra-') === 0 && attribute.name !== 'data-quadra-event') {
        props[attribute.name.slice(12).replace(/-/g, '_')] = attribute.value;
      }
    });
    return props;
  }

  function acted(happening) {
    var target = happening.target;
    if (!target || !target.closest || happening.button > 1) return;
    var marked = target.closest('[data-quadra-event]');
    if (marked && (marked.tagName === 'FORM') === (happening.type === 'submit')) {
      track(marked.getAttribute('data-quadra-event'), propsOf(marked));
    }
    var link = happening.type !== 'submit' && target.closest('a[href]');
    if (link && link !== marked && /^http/.test(link.protocol) && link.host !== location.host) {
      track('outbound_click', { url: link.href, host: link.host });
    }
  }

  ['click', 'auxclick', 'submit'].forEach(function (type) {
    document.addEventListener(type, acted, true);
  });

  window.addEventListener('popstate', moved);
  window.addEventListener('online', online);
  window.addEventListener('pagehide', goodbye);
  document.addEventListener('visibilitychange', function () {
    if (document.visibilityState === 'hidden' && !failures && !gone) flush();
  });
  window.addEventListener('pageshow', function () {
    gone = false;
  });

  function quadra(type, props) {
    if (type === 'identify') identify(props, arguments[2]); // also from the early queue, before the methods exist
    else track(type, props);
  }
  quadra.track = track;
  quadra.identify = identify;
  quadra.page = page;
  quadra.reset = reset;
  window.quadra = quadra;

  // A page that the browser renders in advance has not been seen by anybody yet.
  if (document.prerendering) document.addEventListener('prerenderingchange', page, { once: true });
  else page();
  [].forEach.call((early && early.q) || [], function (call) {
    quadra.apply(null, call);
  });
})(window, document, navigator);

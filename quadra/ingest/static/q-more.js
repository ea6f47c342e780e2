/*
 * What q.js loads where its tag asks for more: data-track="engagement vitals errors downloads forms", or "all".
 *
 * Engaged time and scroll depth, Web Vitals, JavaScript errors, files, forms. It uses the queue of q.js, and like it
 * never throws into the page.
 */
((window, document, location, more) => {
  'use strict';

  if (!more) return;
  const { send, track, wanted, hooks, missed, seen } = more;
  const wants = (name) => wanted.includes(name) || wanted.includes('all');
  const on = (type, call) => window.addEventListener(type, call);

  const MAX_ERRORS = 10; // kinds of errors of one page; each may come any number of times
  const LEAST_LOOK = 1000;
  const FILES = /\.(pdf|docx?|xlsx?|pptx?|csv|txt|rtf|zip|rar|7z|gz|dmg|exe|pkg|apk|mp[34]|mov|avi|wav)$/i;

  // --- how long somebody looked, and how far down ---

  let since = 0;
  let looked = 0;
  let depth = 0;
  let told = 0;

  const look = () => {
    if (since) looked += Date.now() - since;
    since = document.visibilityState === 'visible' && document.hasFocus() ? Date.now() : 0;
  };
  const scrolled = () => {
    const height = document.documentElement.scrollHeight || 1;
    depth = Math.max(depth, Math.min(100, Math.round(((window.scrollY + window.innerHeight) / height) * 100)));
  };
  if (wants('engagement')) {
    look();
    ['focus', 'blur', 'scroll'].forEach((type) => on(type, type === 'scroll' ? scrolled : look));
    document.addEventListener('visibilitychange', look);
    hooks.push(() => {
      look();
      const pageUrl = seen();
      const stays = pageUrl.split('#')[0] === location.href.split('#')[0];
      if (stays) scrolled(); // of the next page it says nothing about this one
      if (looked >= LEAST_LOOK || depth > told) {
        track('engagement', { scroll_depth: depth }, { durationMs: looked, pageUrl });
        told = depth;
        looked = 0;
      }
      if (!stays) depth = told = 0;
    });
  }

  // --- Web Vitals: said once, when the page is left ---

  const vitals = {};
  let shift = 0;
  let first = 0;
  let last = 0;

  const observe = (type, each) => {
    try {
      const observer = new PerformanceObserver((list) => list.getEntries().forEach(each));
      observer.observe({ type, buffered: true, durationThreshold: 40 });
      return PerformanceObserver.supportedEntryTypes.includes(type);
    } catch (error) {
      return false;
    }
  };
  if (wants('vitals')) {
    observe('largest-contentful-paint', (entry) => {
      vitals.LCP = entry.startTime;
    });
    observe('event', (entry) => {
      if (entry.interactionId) vitals.INP = Math.max(vitals.INP || 0, entry.duration);
    });
    // the largest burst: shifts less than a second apart, five seconds in all
    const shifts = observe('layout-shift', (entry) => {
      if (entry.hadRecentInput) return;
      const at = entry.startTime;
      const goesOn = at - last < 1000 && at - first < 5000;
      shift = entry.value + (goesOn ? shift : 0);
      if (!goesOn) first = at;
      last = at;
      vitals.CLS = Math.max(vitals.CLS, shift);
    });
    if (shifts) vitals.CLS = 0; // a page that stood still is a page that did well
    let said = false;
    const say = (isLeft) => {
      if (said || !isLeft) return; // a single-page application goes on
      said = true;
      for (const metricName in vitals) {
        const unit = metricName === 'CLS' ? 'score' : 'ms';
        send({ kind: 'metric', eventType: 'web_vital', eventName: 'web_vital', metricName, metricValue: vitals[metricName], unit });
      }
    };
    hooks.push(say);
  }

  // --- errors: the first of each kind at once, how often it came again when the page is left ---

  const groups = {};

  const failed = (event) => {
    const error = event.reason === undefined ? event.error : event.reason;
    const text = (error && error.message) || event.message || error;
    if (!text) return; // a picture that was not found
    const message = String(text).slice(0, 1000);
    const errorType = String((error && error.name) || 'Error').slice(0, 200);
    const group = errorType + message;
    if (groups[group]) groups[group].again += 1;
    else if (Object.keys(groups).length < MAX_ERRORS) {
      const stackTrace = String((error && error.stack) || '').slice(0, 4000);
      const one = { kind: 'error', eventType: 'error', errorType, message, stackTrace, severity: 'error' };
      groups[group] = { one, again: 0 };
      send(one);
    }
  };
  if (wants('errors')) {
    missed.forEach(failed);
    missed.push = failed;
    hooks.push(() => Object.keys(groups).forEach((name) => {
      const { one, again } = groups[name];
      if (again) send(Object.assign({}, one, { metadata: { repeated: again } }));
      groups[name].again = 0;
    }));
  }

  // --- files that are fetched ---

  if (wants('downloads')) {
    ['click', 'auxclick'].forEach((type) => document.addEventListener(type, ({ target, button }) => {
      const link = target && target.closest && button < 2 && target.closest('a[href]');
      if (link && FILES.test(link.pathname)) track('download', { url: link.href });
    }, true));
  }

  // --- forms, those that say their own event excepted ---

  if (wants('forms')) {
    document.addEventListener('submit', ({ target }) => {
      if (target.hasAttribute('data-quadra-event')) return;
      track('form_submit', { id: target.id || undefined, name: target.getAttribute('name') || undefined, action: target.action });
    }, true);
  }
})(window, document, location, window.quadra && window.quadra.more);

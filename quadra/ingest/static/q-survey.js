/*
 * A small question in the corner of a page: NPS (0 to 10), CSAT (1 to 5) or CES (1 to 7). Needs q.js on the page.
 *
 *   <script async src="https://your-quadra/q-survey.js" data-type="nps" data-after="20"></script>
 *   quadra.ask({type: 'csat', question: 'How was it?', comment: 'Why?', thanks: 'Thank you.'})   at any time
 *
 * What is left open by the reader is not sent. That somebody was asked is noted on the device by the day, nothing else is.
 */
((window, document) => {
  'use strict';

  const script = document.currentScript || document.querySelector('script[src*="q-survey.js"]');
  const option = (name) => script && script.getAttribute('data-' + name);

  const KINDS = {
    nps: [0, 10, 'How likely are you to recommend us to a friend?', 'Not at all likely', 'Very likely'],
    csat: [1, 5, 'How satisfied are you?', 'Not at all', 'Very'],
    ces: [1, 7, 'How easy was it?', 'Very hard', 'Very easy']
  };
  const DAY = 864e5;
  const STYLE = `
    :host { all: initial }
    form { position: fixed; right: 16px; bottom: 16px; z-index: 2147483000; box-sizing: border-box; width: 360px; max-width: calc(100vw - 32px);
      padding: 16px; border-radius: 12px; font: 15px/1.4 system-ui, sans-serif; color: #111; background: #fff;
      box-shadow: 0 4px 24px #0004 }
    p { margin: 0 32px 12px 0; font-weight: 600 }
    div { display: flex; gap: 4px; justify-content: space-between; font-size: 12px }
    label { flex: 1; text-align: center; cursor: pointer }
    label span { display: block; padding: 8px 0; border: 1px solid #767676; border-radius: 6px; font-size: 14px }
    input { position: absolute; opacity: 0 }
    input:checked + span { color: #fff; background: #1d4ed8; border-color: #1d4ed8 }
    input:focus-visible + span, button:focus-visible, textarea:focus-visible { outline: 2px solid #1d4ed8; outline-offset: 2px }
    textarea { box-sizing: border-box; width: 100%; margin: 12px 0; padding: 8px; border: 1px solid #767676; border-radius: 6px; font: inherit; color: inherit; background: none }
    button { min-height: 32px; padding: 6px 16px; border: 0; border-radius: 6px; font: inherit; color: #fff; background: #1d4ed8; cursor: pointer }
    button[type=button] { position: absolute; top: 8px; right: 8px; padding: 0; width: 32px; color: inherit; background: none }
    @media (prefers-color-scheme: dark) { form { color: #eee; background: #222 } }`;

  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  const noted = (type, days) => {
    const name = 'quadra.asked.' + type;
    try {
      const asked = Number(localStorage.getItem(name));
      if (days && Date.now() - asked < days * DAY) return true;
      localStorage.setItem(name, String(Math.floor(Date.now() / DAY) * DAY));
    } catch (error) {
      // forbidden: then it is asked on each page that says so
    }
    return false;
  };

  let open = null;

  const ask = (wanted) => {
    const asked = wanted || {};
    const type = asked.type || 'nps';
    if (open || !KINDS[type] || !window.quadra || !window.quadra.survey) return false;
    const [least, most, usual, low, high] = KINDS[type];
    const question = asked.question || usual;
    const before = document.activeElement;
    const close = () => {
      open.remove();
      open = null;
      if (before && before.focus) before.focus();
    };
    const scores = make('div', { role: 'radiogroup', ariaLabel: question });
    for (let score = least; score <= most; score += 1) {
      const input = make('input', { type: 'radio', name: 'score', value: score, required: true });
      scores.append(make('label', {}, input, make('span', { textContent: score })));
    }
    const comment = make('textarea', { rows: 2, maxLength: 2000, placeholder: asked.comment || 'Why? (optional)' });
    comment.setAttribute('aria-label', comment.placeholder);
    const away = make('button', { type: 'button', textContent: '\u00d7', ariaLabel: asked.close || 'Close', onclick: close });
    const ends = make('div', {}, make('span', { textContent: asked.low || low }), make('span', { textContent: asked.high || high }));
    const form = make('form', { ariaLabel: question }, make('p', { textContent: question }), scores, ends, comment,
      make('button', { textContent: asked.send || 'Send' }), away);
    form.setAttribute('role', 'dialog');
    form.onkeydown = (event) => {
      if (event.key === 'Escape') close();
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      const response = comment.value.trim() || undefined;
      window.quadra.survey(type, Number(new FormData(form).get('score')), { question, response });
      form.replaceChildren(make('p', { role: 'status', textContent: asked.thanks || 'Thank you.' }), away);
      away.focus();
    };
    open = make('div', { id: 'quadra-survey' });
    const shadow = open.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet(); // not a style element, which the page's own policy may forbid
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(form);
    document.body.append(open);
    return true;
  };

  const start = () => {
    if (!window.quadra || !window.quadra.track) return setTimeout(start, 100);
    window.quadra.ask = ask;
    const type = option('type');
    if (!type) return;
    setTimeout(() => {
      if (!noted(type, Number(option('every') || 90))) {
        ask({ type, question: option('question'), comment: option('comment'), thanks: option('thanks') });
      }
    }, Number(option('after') || 10) * 1000);
  };
  start();
})(window, document);

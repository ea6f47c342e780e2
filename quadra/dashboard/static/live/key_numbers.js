// The three numbers on top, each with what it is compared to. All of them are the server's absolute values.

import { change, count, perSecond, put, signed } from '../shared/format.js';

const byId = (id) => document.getElementById(id);

function delta(element, text, direction, against) {
  let strong = element.querySelector('strong');
  if (!strong) {
    element.replaceChildren(document.createElement('strong'), ' ', document.createElement('span'));
    strong = element.querySelector('strong');
  }
  element.dataset.direction = direction;
  if (strong.textContent !== text) strong.textContent = text;
  const words = element.querySelector('span');
  if (words.textContent !== against) words.textContent = against;
}

export function drawTotals({ totals, activeUsers, activeUsersBefore }) {
  put(byId('today'), count(totals.today));
  const today = change(totals.today, totals.yesterdaySameTime);
  if (totals.yesterdaySameTime === 0) delta(byId('today-delta'), '', 'same', 'none by this time yesterday');
  else delta(byId('today-delta'), today.text, today.direction, `vs ${count(totals.yesterdaySameTime)} by this time yesterday`);
  byId('today-aside').textContent = `${count(totals.yesterday)} in all of yesterday`;

  put(byId('active'), count(activeUsers));
  const moved = activeUsers - activeUsersBefore;
  delta(byId('active-delta'), signed(moved), moved > 0 ? 'up' : moved < 0 ? 'down' : 'same', 'in the last 5 minutes, vs the 5 before');
}

export function drawRate(rate, { mean, peak }) {
  put(byId('rate'), perSecond(rate));
  delta(byId('rate-delta'), perSecond(mean), 'same', `on average over 5 minutes, ${count(peak)} in the busiest second`);
}

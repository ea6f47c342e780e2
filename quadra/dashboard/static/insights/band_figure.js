// The minutes around an anomaly of a signal: the band that was expected, and what came. Drawn as SVG: the page has no chart library.

import { el } from '../shared/elements.js';
import { timeMinutes } from '../shared/format.js';

const WIDTH = 600;
const HEIGHT = 120;

function shape(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** `points`: [milliseconds, value, low, high], the oldest first; null where there are too few. */
export function bandFigure({ points = [], since, title }) {
  if (points.length < 2) return null;
  const most = Math.max(...points.flatMap(([, ...numbers]) => numbers.map((one) => one ?? 0))) || 1;
  const x = (at) => (at / (points.length - 1)) * WIDTH;
  const y = (value) => HEIGHT - 4 - (value / most) * (HEIGHT - 8);
  const place = (at, value) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`;
  const banded = points.map((point, at) => [at, point]).filter(([, [, , low, high]]) => low !== null && high !== null);
  const came = points.map((point, at) => [at, point]).filter(([, [, value]]) => value !== null);
  const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}: what came, within the band that was expected` });
  const upper = banded.map(([at, [, , , high]]) => place(at, high));
  const lower = banded.map(([at, [, , low]]) => place(at, low)).reverse();
  const began = points.findIndex(([ms]) => ms >= Date.parse(since));
  svg.append(
    shape('polygon', { class: 'band', points: [...upper, ...lower].join(' ') }),
    ...(began > 0 ? [shape('line', { class: 'began', x1: x(began), x2: x(began), y1: 0, y2: HEIGHT })] : []),
    shape('polyline', { class: 'came', points: came.map(([at, [, value]]) => place(at, value)).join(' ') }),
  );
  return el('figure', { class: 'band-figure' }, svg,
    el('figcaption', { class: 'sub' }, `${timeMinutes(points[0][0])} to ${timeMinutes(points.at(-1)[0])}; the band is what was expected`));
}

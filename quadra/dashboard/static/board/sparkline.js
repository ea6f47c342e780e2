// The small line under a key number. It repeats a chart of the same page, so screen readers pass it by.

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 100;
const HEIGHT = 24;

export function sparkline(place, values) {
  const most = Math.max(...values, Number.MIN_VALUE);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(2)},${(HEIGHT - 1 - ((HEIGHT - 2) * value) / most).toFixed(2)}`);
  const line = values.every((value) => value === 0) ? '' : `M${points.join('L')}`; // nothing is no line, and as high as one
  if (place.dataset.line === line) return;
  place.dataset.line = line;
  if (line === '') {
    place.replaceChildren();
    return;
  }
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  for (const [name, d] of [['area', `${line}L${WIDTH},${HEIGHT}L0,${HEIGHT}Z`], ['line', line]]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('class', name);
    path.setAttribute('d', d);
    svg.append(path);
  }
  place.replaceChildren(svg);
}

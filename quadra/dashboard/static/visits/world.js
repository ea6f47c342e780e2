// A map of countries: the more visitors, the stronger the accent. A click filters by a country, as a row of the table below does;
// the table is the way there for keys and screen readers. The shapes are fetched when somebody first looks.

import { valueName } from '../board/dimensions.js';
import { number } from '../board/words.js';
import { el } from '../shared/elements.js';

const SVG = 'http://www.w3.org/2000/svg';
const FAINTEST = 0.15;
const VIEW = '0 0 900 441';

let shapes = null;

/** A promise of code -> the outline of a country. */
function load(source) {
  shapes ??= new Promise((resolve, reject) => {
    window.jsVectorMap = { addMap: (_name, { paths }) => resolve(paths) }; // what the file calls
    const script = document.createElement('script');
    script.src = source;
    script.onerror = () => reject(new Error('The map could not be loaded.'));
    document.head.append(script);
  });
  return shapes;
}

function outline(code, d, row, most, filter) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', d);
  const words = document.createElementNS(SVG, 'title');
  words.textContent = `${valueName('country', code)}: ${number(row?.visitors ?? 0)}`;
  path.append(words);
  if (!row) return path;
  path.setAttribute('class', 'visited');
  path.style.fillOpacity = FAINTEST + (1 - FAINTEST) * Math.sqrt(row.visitors / most);
  if (filter) path.addEventListener('click', (event) => filter(code, event.altKey));
  return path;
}

/** `rows` of countries; `filter(code, out)`, or null where nothing can be filtered. */
export function worldMap(board, rows, filter) {
  const place = el('div', { class: 'world' });
  load(board.world).then((found) => {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', VIEW);
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', 'Map of visitors by country; the table shows the same');
    const most = Math.max(...rows.map(({ visitors }) => visitors), 1);
    const known = new Map(rows.map((row) => [row.value, row]));
    svg.append(...Object.entries(found).map(([code, { path }]) => outline(code, path, known.get(code), most, filter)));
    place.replaceChildren(svg);
  }, () => place.replaceChildren(el('p', { class: 'notice' }, 'The map could not be loaded. The table shows the same.')));
  return place;
}

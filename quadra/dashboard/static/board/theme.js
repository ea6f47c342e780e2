// Colours and sizes of charts, read from the style sheet, so that a chart is as light or dark as its page.

const SERIES = 8;
/** Lines differ in their dashes too: colour never tells them apart alone. */
export const DASHES = ['solid', [6, 3], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 4], [8, 2, 2, 2, 2, 2]];

const channels = (written) => written.match(/[\d.]+/g).slice(0, 3).map(Number);

function luminance(written) {
  const [red, green, blue] = channels(written).map((value) => (value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** What lies at `share` (0 to 1) of the way from one colour to another, as the charts mix them. */
export function mixed(from, to, share) {
  const ends = [channels(from), channels(to)];
  return `rgb(${ends[0].map((value, at) => Math.round(value + (ends[1][at] - value) * share)).join(', ')})`;
}

/** Black or white, whichever is read better on the colour: one of them has a contrast of 4.58 on every colour there is. */
export const readableOn = (written) => (luminance(written) > 0.179 ? '#000' : '#fff');

const NAMES = ['accent', 'muted', 'rule', 'line', 'panel', 'ink', 'good', 'bad', 'warn', 'bg'];
const ALL = [...NAMES.map((name) => `--${name}`), ...Array.from({ length: SERIES }, (_, index) => `--c${index + 1}`)];

let known = null;
document.addEventListener('quadra:theme', () => { known = null; });
addEventListener('resize', () => { known = null; }); // wide windows have larger letters

/** Read once: the browser computes styles anew for whoever asks after a change. */
export function theme() {
  known ??= read();
  return known;
}

function read() {
  const probes = ALL.map((name) => {
    const probe = document.createElement('i');
    probe.style.color = `var(${name})`;
    return probe;
  });
  document.body.append(...probes);
  const colours = probes.map((probe) => getComputedStyle(probe).color);
  for (const probe of probes) probe.remove();
  return {
    ...Object.fromEntries(NAMES.map((name, place) => [name, colours[place]])),
    series: colours.slice(NAMES.length),
    rem: parseFloat(getComputedStyle(document.documentElement).fontSize),
    font: getComputedStyle(document.body).fontFamily,
  };
}

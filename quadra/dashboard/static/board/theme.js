// Colours and sizes of charts, read from the style sheet, so that a chart is as light or dark as its page.

const SERIES = 8;
/** Lines differ in their dashes too: colour never tells them apart alone. */
export const DASHES = ['solid', [6, 3], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 4], [8, 2, 2, 2, 2, 2]];

function colour(probe, name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

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

export function theme() {
  const probe = document.createElement('i');
  document.body.append(probe);
  const named = Object.fromEntries(
    ['accent', 'muted', 'rule', 'line', 'panel', 'ink', 'good', 'bad', 'warn', 'bg'].map((name) => [name, colour(probe, `--${name}`)]),
  );
  const series = Array.from({ length: SERIES }, (_, index) => colour(probe, `--c${index + 1}`));
  probe.remove();
  return {
    ...named,
    series,
    rem: parseFloat(getComputedStyle(document.documentElement).fontSize),
    font: getComputedStyle(document.body).fontFamily,
  };
}

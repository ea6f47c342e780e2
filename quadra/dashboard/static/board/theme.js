// Colours and sizes of charts, read from the style sheet, so that a chart is as light or dark as its page.

const SERIES = 8;
/** Lines differ in their dashes too: colour never tells them apart alone. */
export const DASHES = ['solid', [6, 3], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 4], [8, 2, 2, 2, 2, 2]];

function colour(probe, name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

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

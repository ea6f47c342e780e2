// The cells of the field as a map: a row holds cells of one family, the stronger the larger its usual share.

import { hovered, text, tooltip } from '../board/options.js';
import { percent } from '../board/words.js';

const ACROSS = 24;

/** The root of the share: a few cells hold most of a family. */
const strength = ({ share }) => Math.sqrt(share);

export const FAMILIES = { type: 'Types', page: 'Pages', flow: 'Steps', gap: 'Pauses', hour: 'Hours' };

export function cellsMap(cells) {
  const rows = [];
  const data = [];
  for (const [family, word] of Object.entries(FAMILIES)) {
    const mine = cells.filter((one) => one.family === family);
    mine.forEach((one, place) => {
      if (place % ACROSS === 0) rows.push(place === 0 ? word : '');
      data.push({ value: [place % ACROSS, rows.length - 1, strength(one)], one });
    });
  }
  return (look) => ({
    grid: { left: 4, right: 0.6 * look.rem, top: 4, bottom: 4, containLabel: true },
    xAxis: { type: 'category', data: Array.from({ length: ACROSS }, (_, at) => `${at}`), show: false },
    yAxis: { type: 'category', inverse: true, data: rows.map((word, place) => `${place} ${word}`), axisLine: { show: false }, axisTick: { show: false }, axisLabel: text(look, { formatter: (word) => word.replace(/^\d+ /, '') , interval: 0 }) },
    visualMap: { show: false, min: 0, max: Math.max(...data.map(({ value }) => value[2]), 0.01), dimension: 2, inRange: { color: [look.bg, look.accent] } },
    tooltip: tooltip(look, {
      trigger: 'item',
      formatter: ({ data: { one } }) => hovered(one.label, [[null, 'Usual share', percent(one.share * 100)], [null, 'Instability', percent(one.instability * 100)]]),
    }),
    series: [{ id: 'cells', type: 'heatmap', emphasis: { disabled: true }, itemStyle: { borderColor: look.panel, borderWidth: 2, borderRadius: 3 }, data }],
  });
}

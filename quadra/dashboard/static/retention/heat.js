// A heat map of per cents: the more, the stronger the accent. The strongest is the largest there is. The number stands in the cell where there is room for it.

import { hovered, text, tooltip } from '../board/options.js';
import { mixed, readableOn } from '../board/theme.js';
import { percent } from '../board/words.js';

const ROOM = 2.1;

/** `cells`: [{row, column, value, says}] by index into `rows` and `columns`; `click(row, column)` hears of one that was clicked. */
export function heat({ rows, columns, cells, what, click = null }) {
  const most = Math.max(1, ...cells.map(({ value }) => value));
  return (look, width) => {
    const shown = (width - 9 * look.rem) / columns.length > ROOM * look.rem;
    return {
      click: click && (({ data }) => click(data.value[1], data.value[0])),
      grid: { left: 4, right: 0.6 * look.rem, top: 2 * look.rem, bottom: 4, containLabel: true },
      xAxis: { type: 'category', position: 'top', data: columns, axisLine: { show: false }, axisTick: { show: false }, axisLabel: text(look, { hideOverlap: true, formatter: (at) => `+${at}` }) },
      yAxis: { type: 'category', inverse: true, data: rows, axisLine: { show: false }, axisTick: { show: false }, axisLabel: text(look, { hideOverlap: true }) },
      visualMap: { show: false, min: 0, max: most, dimension: 2, inRange: { color: [look.bg, look.accent] } },
      tooltip: tooltip(look, {
        trigger: 'item',
        formatter: ({ data }) => hovered(what(rows[data.value[1]], columns[data.value[0]]), [[null, data.says, percent(data.value[2])]]),
      }),
      series: [{
        id: 'heat', type: 'heatmap', emphasis: { disabled: true },
        itemStyle: { borderColor: look.panel, borderWidth: 2, borderRadius: 3 },
        label: { show: shown, fontSize: 0.8 * look.rem, color: look.ink, formatter: ({ data }) => (data.value[2] ? data.value[2] < 0.5 ? '<1' : `${Math.round(data.value[2])}` : '') },
        data: cells.map(({ row, column, value, says }) => ({ value: [column, row, value], says, label: { color: readableOn(mixed(look.bg, look.accent, value / most)) } })),
      }],
    };
  };
}

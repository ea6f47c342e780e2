// The charts that most pages use: lines over time, bars. Text from outside goes into tooltips as elements, never as markup.

import { change, compact } from '../shared/format.js';
import { el } from '../shared/elements.js';
import { distinct } from './labels.js';
import { DASHES } from './theme.js';
import { inPoints, named, number, percent, shortened } from './words.js';

export const text = (look, more = {}) => ({ color: look.muted, fontSize: 0.82 * look.rem, ...more });

export function tooltip(look, more) {
  return {
    confine: true, transitionDuration: 0, backgroundColor: look.panel, borderColor: look.line, padding: [6, 10],
    textStyle: { color: look.ink, fontSize: 0.9 * look.rem }, extraCssText: 'max-width: 26rem; white-space: normal', ...more,
  };
}

/** Options while a point is hovered: a head and [colour, name, value] lines. */
export function hovered(head, lines) {
  const rows = lines.map(([colour, name, value]) => {
    const dot = el('i', { class: 'hover-dot' });
    if (colour) dot.style.background = colour;
    return el('p', { class: 'hover-line' }, colour ? dot : null, el('span', {}, shortened(name, 60)), el('b', {}, value));
  });
  return el('div', { class: 'hover' }, el('p', { class: 'sub' }, shortened(head, 80)), ...rows);
}

const legend = (look, names) => ({
  show: names.length > 1, type: 'scroll', left: 0, top: 2, padding: [4, 0], itemWidth: 1.6 * look.rem, itemHeight: 0.6 * look.rem, itemGap: 1.2 * look.rem,
  textStyle: text(look, { color: look.ink }), pageTextStyle: text(look), pageIconColor: look.accent, pageIconInactiveColor: look.line,
  formatter: distinct(names), tooltip: { show: false },
});

function frame(look, { labels, format, names = [], axis = compact, unit, letters = 18, marks = [], compared = null }) {
  return {
    grid: { left: 4, right: 1.6 * look.rem, top: (names.length > 1 ? 2.4 : marks.length ? 1.5 : 0.8) * look.rem, bottom: 4, containLabel: true },
    legend: legend(look, names),
    xAxis: {
      type: 'category', data: labels, axisTick: { show: false }, axisLine: { lineStyle: { color: look.rule } },
      axisLabel: text(look, { hideOverlap: true, formatter: distinct(labels, letters) }),
    },
    yAxis: {
      type: 'value', minInterval: unit === 'whole' ? 1 : 0, axisLabel: text(look, { formatter: axis, hideOverlap: true }),
      splitLine: { lineStyle: { color: look.rule } },
    },
    tooltip: tooltip(look, {
      trigger: 'axis', axisPointer: { type: 'line', lineStyle: { color: look.muted } },
      formatter: (points) => hovered(points[0].axisValueLabel, points.filter((point) => point.value !== null && point.value !== undefined)
        .map((point) => [point.color, point.seriesName, (format ?? number)(point.value)])
        .concat(compared ? difference(points, compared, format ?? number) : [])
        .concat(marks.filter(({ place }) => place === points[0].dataIndex).map(({ text: words }) => [null, words, '']))),
    }),
  };
}

/** What became of the first series against the faint one, where both are known. Rates differ in points. */
function difference(points, [now, before], format) {
  const [is, was] = [now, before].map((place) => points.find(({ seriesIndex }) => seriesIndex === place)?.value ?? null);
  if (is === null || was === null) return [];
  return [[null, 'Difference', format === percent ? inPoints(is, was) : change(is, was, { counted: format === number && Number.isInteger(is) && Number.isInteger(was) }).text]];
}

const until = (values, running) => (running === null ? values : values.map((value, place) => (place > running ? null : value)));

/** Of the axis, between two marks whose words do not run into one another. */
const APART = 0.2;

/** What happened at places of the axis, as lines across the chart. Their words are told while hovered, and where there is room. */
function marksIn(look, marks, periods) {
  if (marks.length === 0) return undefined;
  const room = marks.every(({ place }, at) => at === 0 || place - marks[at - 1].place > periods * APART);
  return {
    silent: true, symbol: 'none', animation: false, lineStyle: { color: look.warn, type: [3, 3], width: 1 },
    label: { show: room, position: 'insideEndTop', rotate: 0, color: look.warn, fontSize: 0.79 * look.rem, formatter: ({ name }) => shortened(name, 22) },
    data: marks.map(({ place, text: words }) => ({ xAxis: place, name: words })),
  };
}

/**
 * `series`: [{name, values, faint?}]; a faint one is the time before. `running`: the place of the period that is not over yet.
 * `marks`: [{place, text}] on the axis, in its order, one to a place. `pick(first, last)`: what happens when places are brushed.
 */
export function lines({ labels, series, format, axis, running = null, area = series.length === 1, unit = 'whole', marks = [], pick = null }) {
  const faint = series.findIndex((one) => one.faint);
  return (look) => ({
    ...frame(look, { labels, format, axis, unit, names: series.map(({ name }) => named(name)), marks, compared: faint > 0 ? [0, faint] : null }),
    pick,
    series: series.map((one, index) => {
      const colour = one.faint ? look.muted : look.series[index % look.series.length];
      const shaded = running > 0 && index === 0;
      return {
        id: `${index}`, name: named(one.name), type: 'line', data: until(one.values.slice(0, labels.length), running), symbol: labels.length > 1 && running !== 0 ? 'none' : 'circle', color: colour,
        lineStyle: { width: one.faint ? 1.25 : 2, type: one.faint ? [3, 3] : DASHES[index % DASHES.length] },
        areaStyle: area && !one.faint ? { color: colour, opacity: 0.12 } : undefined,
        emphasis: { disabled: true },
        markLine: index === 0 ? marksIn(look, marks, labels.length) : undefined,
        markArea: shaded ? {
          silent: true, itemStyle: { color: look.muted, opacity: 0.08 }, data: [[{ xAxis: running - 1 }, { xAxis: running }]],
        } : undefined,
      };
    }),
  });
}

/** One line within the band that was expected. `low`, `high`: numbers or null; `marked`: whether a point is part of an anomaly. */
export function banded({ labels, name, values, low, high, marked = [], format = number, axis = compact, unit = 'whole', running = null, marks = [], pick = null }) {
  return (look) => {
    const known = low.map((value, place) => value !== null && high[place] !== null);
    const edge = { type: 'line', symbol: 'none', stack: 'band', lineStyle: { opacity: 0 }, emphasis: { disabled: true }, silent: true };
    const around = frame(look, { labels, format, axis, unit, marks });
    const happened = (place) => marks.filter((mark) => mark.place === place).map(({ text: words }) => [null, words, '']);
    around.tooltip.formatter = ([{ dataIndex: place, axisValueLabel }]) => hovered(axisValueLabel, [
      [look.accent, name, values[place] === null ? 'nothing' : format(values[place])],
      ...(known[place] ? [[look.line, 'Expected', `${format(low[place])} to ${format(high[place])}`]] : []),
      ...(marked[place] ? [[look.bad, 'Anomaly', 'outside the band']] : []),
      ...happened(place),
    ]);
    return {
      ...around,
      pick,
      series: [
        { ...edge, id: 'low', name: 'low', data: low.map((value, place) => (known[place] ? value : null)) },
        { ...edge, id: 'band', name: 'band', data: low.map((value, place) => (known[place] ? high[place] - value : null)), areaStyle: { color: look.muted, opacity: 0.18 } },
        { id: 'line', name, type: 'line', symbol: 'none', color: look.accent, lineStyle: { width: 1.6 }, data: until(values, running), emphasis: { disabled: true }, markLine: marksIn(look, marks, labels.length) },
        { id: 'marked', name: 'Anomaly', type: 'scatter', symbolSize: 0.5 * look.rem, color: look.bad, silent: true, data: values.map((value, place) => (marked[place] ? value : null)) },
      ],
    };
  };
}

const said = (look, { says }, flat) => ({
  show: Boolean(says), position: flat ? 'right' : 'insideTop', color: flat ? look.ink : look.panel, fontSize: 0.82 * look.rem, formatter: ({ dataIndex }) => says[dataIndex],
});

/** Letters that a name on the axis has room for: lying bars have a column for them, standing ones the width of a bar. */
const lettersFor = (look, width, many, flat) => Math.min(40, Math.max(18, Math.floor(flat ? (width / look.rem) * 0.6 : width / many / (0.6 * look.rem))));

/** Bars over labels; a series may say something in words above each of its bars (`says`). `stack` puts them upon one another, `flat` lets them lie, with the first on top. */
export function bars({ labels, series, format, axis, running = null, stack = false, flat = false, unit = 'whole', marks = [], pick = null, click = null }) {
  return (look, width) => {
    const around = frame(look, { labels, format, axis, unit, names: series.map(({ name }) => named(name)), letters: lettersFor(look, width, labels.length, flat), marks });
    if (flat) {
      [around.xAxis, around.yAxis] = [around.yAxis, { ...around.xAxis, inverse: true }];
    }
    around.tooltip.axisPointer = { type: 'shadow' };
    return {
      ...around,
      pick: flat ? null : pick,
      click,
      series: series.map((one, index) => ({
        id: `${index}`, name: named(one.name), type: 'bar', data: until(one.values, running), label: said(look, one, flat), stack: stack ? 'all' : undefined, barMaxWidth: (labels.length <= 8 && !flat ? 5 : 2.6) * look.rem,
        color: one.faint ? look.line : one.colour ? look[one.colour] : look.series[index % look.series.length],
        itemStyle: { borderRadius: stack ? 0 : flat ? [0, 3, 3, 0] : [3, 3, 0, 0], borderColor: look.panel, borderWidth: stack ? 0.5 : 0 },
        emphasis: { disabled: true }, markLine: index === 0 ? marksIn(look, marks, labels.length) : undefined,
      })),
    };
  };
}

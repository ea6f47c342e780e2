// The moving chart of arrivals, and its table. The chart library is fetched after the page is live, because it is
// large and the numbers must not wait for it; without it the table stands in.

import { compact, count, perSecond, time, timeMinutes } from '../shared/format.js';
import { WINDOW } from '../shared/arrivals.js';

const TABLE_EVERY_MS = 2000;

function colour(name) {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** The step between the four grid lines: 1, 2, 5, 10, 20 … so that labels are round and rarely change. */
function gridStep(peak) {
  let power = 1;
  for (;;) {
    for (const step of [1, 2, 5]) if (step * power * 4 >= peak) return step * power;
    power *= 10;
  }
}

function load(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = source;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${source} did not load`));
    document.head.append(script);
  });
}

export class ArrivalsChart {
  #arrivals;
  #chart = null;
  #box = document.getElementById('arrivals-chart');
  #table = document.getElementById('arrivals-table');
  #toggle = document.getElementById('arrivals-toggle');
  #tableDrawnAt = 0;
  #labelWidth = 0;
  #happened = [];

  constructor(arrivals, source) {
    this.#arrivals = arrivals;
    this.#toggle.addEventListener('click', () => this.#show(this.#table.hidden));
    document.addEventListener('quadra:theme', () => this.#style());
    load(source).then(() => this.#start(), () => this.#withoutLibrary());
  }

  #start() {
    this.#box.replaceChildren();
    this.#chart = window.echarts.init(this.#box, null, { renderer: 'canvas' });
    new ResizeObserver(() => {
      if (this.#box.clientWidth > 0) this.#chart.resize();
      this.#style();
    }).observe(this.#box);
    this.#style();
  }

  #withoutLibrary() {
    this.#show(true);
    this.#toggle.hidden = true;
    const note = document.createElement('p');
    note.className = 'notice';
    note.textContent = 'The chart library could not be loaded. The table shows the same numbers.';
    this.#table.prepend(note);
  }

  #show(asTable) {
    this.#toggle.setAttribute('aria-pressed', String(asTable));
    this.#table.hidden = !asTable;
    this.#box.hidden = asTable;
    this.#tableDrawnAt = 0;
    this.draw();
  }

  #style() {
    if (!this.#chart) return;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const [accent, muted, rule, panel, ink] = ['--accent', '--muted', '--rule', '--panel', '--ink'].map(colour);
    const text = { color: muted, fontSize: 0.82 * rem };
    const area = (opacity) => ({ color: accent, opacity, origin: 'start' });
    this.#labelWidth = 0;
    this.#chart.setOption({
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { outerBoundsMode: 'none', left: 3 * rem, right: 0.5 * rem, top: 1.4 * rem, bottom: 1.7 * rem },
      xAxis: {
        type: 'time', minInterval: 60_000, maxInterval: 60_000, axisLine: { lineStyle: { color: rule } }, axisTick: { show: false },
        splitLine: { show: false }, axisLabel: { ...text, formatter: timeMinutes, hideOverlap: true, showMinLabel: false, showMaxLabel: false },
      },
      yAxis: { type: 'value', min: 0, axisLabel: { ...text, formatter: compact }, splitLine: { lineStyle: { color: rule } } },
      tooltip: {
        trigger: 'axis', confine: true, transitionDuration: 0, backgroundColor: panel, borderColor: rule, padding: [4, 8],
        textStyle: { color: ink, fontSize: 0.9 * rem }, axisPointer: { lineStyle: { color: muted } },
        formatter: ([point]) => `${time(point.value[0])} · <b>${point.value[1] === null ? 'unknown' : count(point.value[1])}</b>`,
      },
      series: [
        {
          id: 'done', type: 'line', step: 'end', symbol: 'none', connectNulls: false, color: accent, lineStyle: { width: 1.5 },
          areaStyle: area(0.14), emphasis: { disabled: true },
        },
        // The running second is drawn faintly: it is not a dip, it is not over yet.
        {
          id: 'running', type: 'line', step: 'end', symbol: 'none', color: accent, lineStyle: { width: 1.5, opacity: 0.5 },
          areaStyle: area(0.3), emphasis: { disabled: true }, tooltip: { show: false },
        },
      ],
    });
    this.draw();
  }

  /** Releases and notes, which are marked while they are within the window. */
  mark(annotations) {
    this.#happened = annotations.map(({ at, text }) => ({ at: Date.parse(at), text }));
    this.draw();
  }

  draw() {
    if (!this.#table.hidden) this.#drawTable();
    else if (this.#chart) this.#drawChart();
  }

  #drawChart() {
    const seconds = this.#arrivals.window();
    const [last, running] = seconds[seconds.length - 1];
    const done = seconds.slice(0, -1).map(([second, events]) => [second * 1000, events]);
    const before = done[done.length - 1][1];
    if (before !== null) done.push([last * 1000, before]);
    const step = gridStep(Math.max(1, ...seconds.map(([, events]) => events ?? 0)));
    this.#chart.setOption({
      grid: { left: this.#left([1, 2, 3, 4].map((line) => compact(step * line).length)) },
      xAxis: { min: (last - WINDOW + 1) * 1000, max: (last + 1) * 1000 },
      yAxis: { max: step * 4, interval: step },
      series: [
        { id: 'done', data: done, markArea: this.#gap(last), markLine: this.#marks(last) },
        { id: 'running', data: running === null ? [] : [[last * 1000, running], [(last + 1) * 1000, running]] },
      ],
    });
  }

  /** Room for the widest label so far (5,000 is wider than 20K); it may grow, it never jumps back. */
  #left(lengths) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#labelWidth = Math.max(this.#labelWidth, (1 + Math.max(...lengths) * 0.5) * rem);
    return this.#labelWidth;
  }

  #marks(last) {
    return {
      silent: true, symbol: 'none', lineStyle: { color: colour('--warn'), type: [3, 3], width: 1 },
      label: { position: 'insideEndTop', rotate: 0, color: colour('--warn'), formatter: ({ name }) => name.slice(0, 22) },
      data: this.#happened.filter(({ at }) => at > (last - WINDOW + 1) * 1000 && at < (last + 1) * 1000).map(({ at, text }) => ({ xAxis: at, name: text })),
    };
  }

  #gap(last) {
    const from = this.#arrivals.unknownAfter;
    if (from === null) return { data: [] };
    return {
      silent: true,
      itemStyle: { color: colour('--muted'), opacity: 0.12 },
      label: { show: last - from > 20, color: colour('--muted'), position: 'inside', formatter: 'not connected' },
      data: [[{ xAxis: (from + 1) * 1000 }, { xAxis: (last + 1) * 1000 }]],
    };
  }

  #drawTable() {
    // Slower than the chart: a table that changes ten times a second cannot be read.
    if (Date.now() - this.#tableDrawnAt < TABLE_EVERY_MS) return;
    this.#tableDrawnAt = Date.now();
    const rows = this.#arrivals.buckets().map((bucket) => {
      const row = document.createElement('tr');
      const cells = bucket.known
        ? [time(bucket.from), count(bucket.events), perSecond(bucket.perSecond), count(bucket.peak)]
        : [time(bucket.from), 'unknown', 'unknown', 'unknown'];
      cells.forEach((text, index) => {
        const cell = document.createElement(index === 0 ? 'th' : 'td');
        if (index === 0) cell.scope = 'row';
        else cell.className = 'n';
        cell.textContent = text;
        row.append(cell);
      });
      return row;
    });
    this.#table.querySelector('tbody').replaceChildren(...rows);
  }
}

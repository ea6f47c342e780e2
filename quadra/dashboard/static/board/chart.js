// A place for a chart. The library is fetched once, when the first chart wants it; whatever becomes of it, the table beside
// the chart shows the same. Colours follow the page, the size follows the place.

import { Brush } from './brush.js';
import { theme } from './theme.js';

let library = null;

/** Fetches the chart library; rejected where it cannot be had. */
export function load(source) {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = source;
    script.onload = () => resolve(window.echarts);
    script.onerror = () => reject(new Error('The chart library could not be loaded.'));
    document.head.append(script);
  });
  return library;
}

export class Chart {
  #box;
  #library = null;
  #chart = null;
  #make = null;
  #due = false;
  #size = '';
  #kinds = '';
  #brush = null;
  #click = null;

  /** `missing()` is called where there is no library. */
  constructor(box, missing) {
    this.#box = box;
    load(box.dataset.echarts).then((echarts) => this.#start(echarts), missing);
    document.addEventListener('quadra:theme', () => this.#soon());
  }

  /** `make(theme)` gives the option; it is asked again when colours or sizes change. In it, `click(event)` hears
   * of a part that was clicked, `pick(first, last)` of periods that were brushed. */
  draw(make) {
    this.#make = make;
    this.#soon();
  }

  /** Once before the next frame, whatever comes until then: nothing that a page does is as dear as drawing. */
  #soon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  #start(echarts) {
    this.#library = echarts;
    new ResizeObserver(() => this.#sized() && this.#draw()).observe(this.#box);
    this.#soon();
  }

  /** Whether it has another size than it was drawn in, and gets it. An observer tells of the first size, too. */
  #sized() {
    const size = `${this.#box.clientWidth} ${this.#box.clientHeight}`;
    if (this.#box.clientWidth === 0 || size === this.#size) return false;
    if (this.#size) this.#chart?.resize();
    this.#size = size;
    return true;
  }

  #open() {
    const chart = this.#library.init(this.#box, null, { renderer: 'canvas' });
    this.#brush = new Brush(this.#box, chart);
    chart.on('click', (event) => this.#click?.(event));
    return chart;
  }

  #draw() {
    if (!this.#library || !this.#make || this.#box.clientWidth === 0) return;
    this.#chart ??= this.#open(); // not sooner: in a place that is hidden it would have no size yet
    this.#sized();
    const look = theme();
    const { pick = null, click = null, ...option } = this.#make(look, this.#box.clientWidth);
    this.#click = click;
    this.#brush.use(pick, option.xAxis?.data?.length ?? 0);
    const kinds = option.series.map((one) => one.type).join();
    const common = { animation: false, textStyle: { fontFamily: look.font, color: look.ink }, color: look.series };
    // what is hovered stays hovered while numbers change; another kind of chart starts afresh
    this.#chart.setOption({ ...common, ...option }, kinds === this.#kinds ? { replaceMerge: ['series'] } : { notMerge: true });
    this.#brush.drawn();
    this.#kinds = kinds;
  }
}

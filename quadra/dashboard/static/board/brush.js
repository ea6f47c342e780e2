// Choosing periods of a chart: by dragging across it, or with the arrow keys while Shift is held, and Enter. The arrow keys alone
// read the chart point by point. Fingers scroll the page instead.

import { el } from '../shared/elements.js';

const LEAST_PX = 6;

export class Brush {
  #box;
  #chart;
  #pick = null;
  #count = 0;
  #from = null;
  #to = null;
  #began = null;
  #shade = el('div', { class: 'brushed', hidden: true });
  #said = el('p', { class: 'hidden', role: 'status' });

  constructor(box, chart) {
    this.#box = box;
    this.#chart = chart;
    box.append(this.#shade);
    box.after(this.#said);
    box.addEventListener('pointerdown', (event) => this.#begin(event));
    box.addEventListener('pointermove', (event) => this.#move(event));
    box.addEventListener('pointerup', (event) => this.#end(event));
    box.addEventListener('pointercancel', () => this.#clear());
    box.addEventListener('keydown', (event) => this.#key(event));
    box.addEventListener('blur', () => this.#leave());
  }

  /** `pick(first, last)` of places on the axis of `count`; null: the chart has no time to choose. */
  use(pick, count) {
    this.#pick = pick;
    this.#count = count;
    if (this.#to !== null && this.#to >= count) this.#clear();
    this.#box.classList.toggle('brushes', pick !== null);
    if (pick && count) this.#box.setAttribute('tabindex', '0');
    else this.#box.removeAttribute('tabindex');
  }

  /** The chart was drawn anew: what is compared with may have come since the keys pointed at a place. */
  drawn() {
    if (this.#to !== null && this.#began === null) this.#read();
  }

  #placeAt(event) {
    const x = event.clientX - this.#box.getBoundingClientRect().left;
    const place = this.#chart.convertFromPixel({ xAxisIndex: 0 }, x);
    return Math.min(this.#count - 1, Math.max(0, Math.round(place)));
  }

  #inGrid(event) {
    const { left, top } = this.#box.getBoundingClientRect();
    return this.#chart.containPixel('grid', [event.clientX - left, event.clientY - top]);
  }

  #begin(event) {
    if (!this.#pick || event.button !== 0 || event.pointerType === 'touch' || !this.#inGrid(event)) return;
    this.#began = event.clientX;
    this.#from = this.#placeAt(event);
    this.#to = null;
    this.#box.setPointerCapture(event.pointerId);
  }

  #move(event) {
    if (this.#began === null || Math.abs(event.clientX - this.#began) < LEAST_PX) return;
    this.#to = this.#placeAt(event);
    this.#draw();
  }

  #end() {
    if (this.#began === null) return;
    this.#began = null;
    this.#choose();
  }

  #choose() {
    const [from, to, pick] = [this.#from, this.#to, this.#pick];
    this.#clear();
    if (from !== null && to !== null) pick?.(Math.min(from, to), Math.max(from, to));
  }

  #key(event) {
    const { key } = event;
    if (!this.#pick) return;
    if (key === 'ArrowLeft' || key === 'ArrowRight') {
      const at = this.#to ?? this.#count;
      this.#to = Math.min(this.#count - 1, Math.max(0, at + (key === 'ArrowLeft' ? -1 : 1)));
      if (!event.shiftKey) this.#from = null;
      else this.#from ??= Math.min(this.#count - 1, at);
      this.#read();
    } else if (key === 'Enter' && this.#from !== null) this.#choose();
    else if (key === 'Escape' && this.#to !== null) this.#leave();
    else return;
    event.preventDefault();
  }

  /** Shows what is hovered at the place, and tells it to screen readers. */
  #read() {
    this.#draw();
    this.#chart.dispatchAction({ type: 'showTip', seriesIndex: 0, dataIndex: this.#to });
    const said = [...this.#box.querySelectorAll('.hover p')].map((line) => line.innerText.replace(/\s+/g, ' ')).join(', ');
    if (this.#said.textContent !== said) this.#said.textContent = said;
  }

  #draw() {
    this.#shade.hidden = this.#from === null || this.#to === null;
    if (this.#shade.hidden) return;
    const [left, right] = [this.#from, this.#to].sort((a, b) => a - b).map((place) => this.#chart.convertToPixel({ xAxisIndex: 0 }, place));
    const { y, height } = this.#chart.getModel().getComponent('grid').coordinateSystem.getRect();
    Object.assign(this.#shade.style, { left: `${left - 3}px`, width: `${right - left + 6}px`, top: `${y}px`, height: `${height}px` });
  }

  #leave() {
    this.#clear();
    this.#chart.dispatchAction({ type: 'hideTip' });
  }

  #clear() {
    this.#began = null;
    this.#from = null;
    this.#to = null;
    this.#shade.hidden = true;
  }
}

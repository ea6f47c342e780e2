// On the live page: the newest insights, and the signs that Quadra itself is well.

import { ask } from '../shared/rest.js';
import { el, fill } from '../shared/elements.js';
import { Metrics } from '../shared/queue_metrics.js';
import { light, signs } from '../shared/signs.js';
import { href } from '../shared/words.js';
import { brief, merged } from './card.js';

const SHOWN = 3;
const EVERY_MS = 30_000;

export class Noticed {
  #project;
  #list = document.getElementById('noticed');
  #nothing = document.getElementById('noticed-nothing');
  #insights = new Map();
  #metrics;

  constructor(project) {
    this.#project = project;
    const well = document.getElementById('well');
    this.#metrics = new Metrics((metrics, elapsed) => {
      const found = signs(metrics, elapsed);
      fill(document.getElementById('signs'), found, () => found.map((sign) => this.#sign(sign)));
      well.hidden = false;
    }, (error) => {
      // whoever may not see the numbers is not told of them; when they are away for now, what stands there is old
      if (error.status === 403) well.hidden = true;
      else if (well.querySelector('.skeleton')) fill(document.getElementById('signs'), error.message, () => el('li', { class: 'sub' }, error.message));
    });
    this.refresh();
    setInterval(() => {
      if (!document.hidden) this.refresh();
    }, EVERY_MS);
  }

  /** The pipeline moved. */
  moved() {
    this.#metrics.soon();
  }

  hear(insights) {
    for (const insight of insights) this.#insights.set(insight.id, insight);
    const newest = [...this.#insights.values()].sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at) || (a.id < b.id ? 1 : -1)).slice(0, SHOWN);
    this.#insights = new Map(newest.map((insight) => [insight.id, insight]));
    this.#nothing.hidden = newest.length > 0;
    this.#list.hidden = newest.length === 0;
    this.#nothing.textContent = 'No insights yet. The first one appears moments after the first batch is sealed.';
    fill(this.#list, newest, () => merged(newest).map((insight) => brief(insight, this.#project)));
  }

  async refresh() {
    try {
      this.hear((await ask('/api/insights', { project: this.#project, limit: SHOWN })).insights);
    } catch (error) {
      if (error.status === undefined) throw error;
      if (this.#insights.size > 0) return;
      this.#list.hidden = true;
      this.#nothing.hidden = false;
      this.#nothing.textContent = `Insights are not available right now. ${error.message}`;
    }
  }

  #sign({ tone, name, value, href: path }) {
    return el('li', {}, el('a', { href: href(path, this.#project) }, light(tone), `${name} `, el('strong', {}, value)));
  }
}

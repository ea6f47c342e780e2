// The timeline of insights. The address says which analyst, which batch, and whether quiet batches are shown.

import { List } from '../shared/list.js';
import { el, fill } from '../shared/elements.js';
import { openLine } from '../shared/live_line.js';
import { href, shortId } from '../shared/words.js';
import { card, isFinding } from './card.js';

const root = document.getElementById('insights');
const filters = document.getElementById('filters');
const chip = document.getElementById('only-batch');
const { project } = root.dataset;
let wanted;

const list = new List(root, {
  path: '/api/insights',
  name: 'insights',
  params: () => ({ project, analyst: wanted.get('analyst'), batch_id: wanted.get('batch') }),
  key: (insight) => insight.id,
  at: (insight) => insight.created_at,
  shows: (insight) => (!wanted.get('findings') || isFinding(insight))
    && (!wanted.get('analyst') || insight.analyst === wanted.get('analyst')) && (!wanted.get('batch') || insight.batch_id === wanted.get('batch')),
  partly: () => wanted.get('findings'),
  build(first) {
    const element = el('li');
    const draw = (insight) => fill(element, insight, () => card(insight, project));
    draw(first);
    return { element, draw };
  },
  nothing() {
    if (wanted.get('findings')) return [el('p', {}, 'No findings. Every batch looked like the ones before it, or had too few before it to compare.')];
    if (wanted.get('batch')) return [el('p', {}, 'No insight for this batch yet. It appears moments after the batch is sealed.')];
    if (wanted.get('analyst') === 'llm') return [el('p', {}, 'No LLM insights. Set QUADRA_LLM_BASE_URL and QUADRA_LLM_API_KEY to enable them.')];
    return [
      el('p', {}, 'No insights yet. A batch gets one moments after it is sealed, and it is sealed when it is full or old enough.'),
      el('p', {}, el('a', { href: href('/live', project) }, 'How to send an event'), ' · ', el('a', { href: href('/pipeline/batches', project) }, 'See the batches')),
    ];
  },
});

function show() {
  wanted = new URLSearchParams(location.search);
  filters.elements.analyst.value = wanted.get('analyst') ?? '';
  filters.elements.findings.checked = Boolean(wanted.get('findings'));
  const batch = wanted.get('batch');
  chip.hidden = !batch;
  if (batch) {
    chip.href = href('/insights', project, { analyst: wanted.get('analyst'), findings: wanted.get('findings') });
    chip.replaceChildren(`only batch ${shortId(batch)}`, el('span', { class: 'hidden' }, ', show all'), el('span', { 'aria-hidden': 'true' }, ' ✕'));
  }
  list.load();
}

filters.addEventListener('change', () => {
  const more = Object.fromEntries(new FormData(filters));
  history.pushState(null, '', href('/insights', project, { ...more, batch: wanted.get('batch') }));
  show();
});
filters.addEventListener('submit', (event) => event.preventDefault());
addEventListener('popstate', show);

show();
openLine(project, {
  onInsights: (insights) => list.hear(insights),
  // a batch that is analysed once more keeps its insight, with other words in it
  onJobs(jobs) {
    if (jobs.some((job) => job.trigger_type === 'MANUAL' && job.status === 'SUCCESS')) list.refresh();
  },
}, () => list.refresh());

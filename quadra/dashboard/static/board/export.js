// The menu that takes the events of this page's range and filters away, in a form that other programs read.

import { el } from '../shared/elements.js';
import { menu } from './menu.js';

const FORMATS = [['csv', 'CSV, for spreadsheets'], ['json', 'JSON'], ['ndjson', 'NDJSON, one event per line'], ['parquet', 'Parquet, for data tools']];

export function exportMenu(board) {
  const links = FORMATS.map(([format, name]) => el('a', { href: '', 'data-format': format, download: '' }, name));
  const what = board.bar.kind ? `All events of kind ${board.bar.kind}` : 'All events';
  return menu('Export', [el('p', { class: 'sub' }, `${what} in this period that match the filters, as`), ...links], () => {
    const query = new URLSearchParams({ project: board.project });
    for (const [name, value] of Object.entries(board.common())) for (const one of [value].flat()) query.append(name, one);
    if (board.bar.kind) query.set('kind', board.bar.kind);
    for (const link of links) link.href = `/api/analytics/export?format=${link.dataset.format}&${query}`;
  });
}

// Tables whose rows a page makes by itself: their headings sort and long ones show a page at a time, as those of boards do. Whoever
// fills such a table imports this and knows nothing else of it. Where the server has more rows than are here (`data-older` names the button that asks for
// them), headings sort once all of them are: the first of what happens to be loaded is the first of nothing.

import { el } from './elements.js';
import { drawPager, PAGE } from './pager.js';
import { nextSort, sortable, sortHeading, sorted } from './sorting.js';

/** What the reader sees in a cell; a moment and a choice by what they stand for. */
function seen(cell) {
  const moment = cell?.querySelector('time[datetime]');
  if (moment) return { sort: Date.parse(moment.dateTime) };
  const choice = cell?.querySelector('select');
  return choice ? choice.value : (cell?.textContent.trim() ?? null);
}

function enhance(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const titles = heads.map((head) => (head.querySelector('.hidden') ? null : head.textContent));
  const older = document.getElementById(table.dataset.older);
  const page = older ? Infinity : PAGE;
  const pager = el('div', { class: 'pager', hidden: true });
  const came = new WeakMap(); // row -> when it was put in, so that the first order can be given back
  const cells = new Map();
  let next = 0;
  let by = null;
  let first = 0;
  table.after(pager);

  function heading(place, rows) {
    const head = heads[place];
    const sorts = !(older && !older.hidden) && sortable(rows.map((row) => cells.get(row)), place);
    const way = by?.place === place ? (by.down ? 'descending' : 'ascending') : null;
    if (way) head.setAttribute('aria-sort', way);
    else head.removeAttribute('aria-sort');
    const focused = head.contains(document.activeElement);
    if (!sorts) {
      if (head.querySelector('.sort')) head.textContent = titles[place];
      return;
    }
    head.replaceChildren(sortHeading(titles[place], way && (by.down ? 'down' : 'up'), () => {
      by = nextSort(by, place, head.classList.contains('n'));
      first = 0;
      draw();
    }));
    if (focused) head.firstChild.focus();
  }

  function draw() {
    const rows = [...body.rows].filter((row) => row.cells.length === heads.length);
    for (const row of rows) {
      if (!came.has(row)) came.set(row, next += 1);
      cells.set(row, [...row.cells].map(seen));
    }
    rows.sort((one, other) => came.get(one) - came.get(other));
    const byCells = new Map(rows.map((row) => [cells.get(row), row]));
    if (older && !older.hidden) by = null;
    const ordered = by ? sorted([...byCells.keys()], by.place, by.down).map((one) => byCells.get(one)) : rows;
    if (first >= ordered.length) first = 0;
    const focused = document.activeElement;
    if (ordered.some((row, at) => body.rows[at] !== row)) body.append(...ordered);
    if (focused !== document.activeElement && body.contains(focused)) focused.focus();
    ordered.forEach((row, at) => { row.hidden = at < first || at >= first + page; });
    titles.forEach((title, place) => { if (title !== null) heading(place, rows); });
    cells.clear();
    if (!older) {
      drawPager(pager, first, ordered.length, (to) => {
        first = to;
        draw();
      });
    }
    watch.takeRecords(); // what was done here
  }

  const watch = new MutationObserver(draw);
  watch.observe(body, { childList: true });
  draw();
}

for (const table of document.querySelectorAll('table.cards')) if (!table.querySelector('[data-rows]')) enhance(table);

// The answer as a file that spreadsheets open: a text that one could take for a formula gets an apostrophe.

import { el } from '../shared/elements.js';

const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

function field(value) {
  if (value === null) return '';
  const text = typeof value === 'string' && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const written = ({ columns, rows }) => [columns.map(({ name }) => name), ...rows].map((row) => row.map(field).join(',')).join('\r\n');

/** A button that saves what a question answered last. */
export function csv(question) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([written(question.answer), '\r\n'], { type: 'text/csv' }));
    el('a', { href: url, download: 'quadra.csv' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };
  const button = el('button', { class: 'button', type: 'button', hidden: true, onclick: save }, 'CSV');
  question.on(() => { button.hidden = question.state !== 'ready'; });
  return button;
}

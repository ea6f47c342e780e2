// What goals are worth, in their currency.

import { number } from '../board/words.js';

const formats = new Map();

export function money(value, currency) {
  if (value === null || value === undefined) return '—';
  if (!currency) return number(value);
  if (!formats.has(currency)) formats.set(currency, new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'narrowSymbol', maximumFractionDigits: 0 }));
  return formats.get(currency).format(value);
}

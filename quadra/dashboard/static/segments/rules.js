// The rule of a segment as its form has it and as the API keeps it, and both in words.

import { BARE, filterWords } from '../board/dimensions.js';
import { named } from '../board/words.js';

/** {plan: 'pro', age: {gt: 3}} -> [{property, op, values}] */
export function filtersOf(where = {}) {
  return Object.entries(where).flatMap(([property, given]) => {
    const ops = given !== null && typeof given === 'object' && !Array.isArray(given) ? given : { is: given };
    return Object.entries(ops).map(([op, values]) => ({ property, op, values: [values].flat().map(String) }));
  });
}

export function whereOf(filters) {
  const where = {};
  for (const { property, op, values } of filters) (where[property] ??= {})[op] = values;
  return where;
}

/** One more filter: one more value where the property is compared like this already. */
export function withFilter(filters, property, op, value) {
  const same = filters.find((one) => one.property === property && one.op === op && !BARE.includes(op));
  if (same) same.values = [...new Set([...same.values, value])];
  else filters.push({ property, op, values: [value] });
}

const filterOf = ({ property, op, values }) => filterWords(property, op, values);

function deedWords({ event, where, at_least: least = 1, within_days: days }) {
  const often = least > 1 ? `${least} times or more` : 'at least once';
  return [`${event ? `“${named(event)}”` : 'any event'} ${often}`, days ? `within ${days} ${days === 1 ? 'day' : 'days'}` : '', ...filtersOf(where).map((one) => `where ${filterOf(one)}`)].filter(Boolean).join(' ');
}

/** "had an event where Plan is pro; did “order_placed” 2 times or more" */
export function ruleWords({ where, did, did_not: didNot }) {
  return [
    ...filtersOf(where).map((one) => `had an event where ${filterOf(one)}`),
    ...did.map((one) => `did ${deedWords(one)}`),
    ...didNot.map((one) => `did not do ${deedWords(one)}`),
  ].join('; ');
}

// Names that must fit: cut at the end where that tells them apart, else where they begin to differ.

import { named, shortened } from './words.js';

function shared(names) {
  const [first, ...others] = names;
  let at = 0;
  while (at < first.length && others.every((other) => other[at] === first[at])) at += 1;
  return at;
}

/** Letters of `name` around the place at which it differs: its beginning, an ellipsis, and what follows. */
function around(name, at, most) {
  const head = Math.max(1, Math.floor((most - 1) / 3));
  const from = Math.max(head, Math.min(at - 2, name.length - (most - head - 1)));
  const rest = name.slice(from);
  const tail = most - head - 1;
  return [...name.slice(0, head), '…', ...(rest.length > tail ? [...rest.slice(0, tail - 1), '…'] : rest)].join('');
}

/** (name) => at most `most` letters of it, different for each of `names`, of which there may be more than one alike. */
export function distinct(names, most = 28) {
  const shown = new Map();
  const taken = new Set();
  const show = (name, short) => {
    let free = short;
    // two may differ twice, further apart than there is room: a number tells them apart
    for (let place = 2; taken.has(free); place += 1) free = `${[...short].slice(0, most - `${place}`.length - 1).join('')} ${place}`;
    taken.add(free);
    shown.set(name, free);
  };
  const spread = (group) => {
    const at = shared(group);
    for (const [short, alike] of Map.groupBy(group, (letters) => around(letters, at, most))) {
      if (alike.length > 1 && alike.length < group.length) spread(alike);
      else for (const letters of alike) show(letters.join(''), short);
    }
  };
  for (const [short, group] of Map.groupBy(new Set(names.map((name) => named(name))), (name) => shortened(name, most))) {
    if (group.length === 1) show(group[0], short);
    else spread(group.map((name) => [...name]));
  }
  return (name) => shown.get(named(name)) ?? shortened(name, most);
}

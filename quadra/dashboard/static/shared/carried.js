// What goes along when somebody goes to another page or project: the time, the comparison, bots, the segment and the filters.

/** Told on the document when the address of the page changed. */
export const CHANGED = 'quadra:address';
export const CARRIED = ['days', 'from', 'to', 'range', 'compare', 'compare_from', 'compare_to', 'timezone', 'bots', 'segment'];
/** These are of one project. */
const OWN = ['segment'];

/** Of this page's address, as [name, value] pairs. */
export function carried({ toOtherProject = false } = {}) {
  return [...new URLSearchParams(location.search)].filter(([name, value]) => value !== '' && (name.startsWith('where[') || CARRIED.includes(name)) && !(toOtherProject && OWN.includes(name)));
}

// A funnel as its page's address keeps it, and as it is asked.

const WINDOWS = [['3600', '1 hour'], ['86400', '1 day'], ['604800', '7 days'], ['1209600', '14 days'], ['2592000', '30 days'], ['7776000', '90 days']];
export const USUAL_WINDOW = '1209600';
export { WINDOWS };

/** What somebody may have written into the address by hand is taken for what it is good for. */
export function list(address, name) {
  try {
    const found = JSON.parse(address.get(name, '[]'));
    return Array.isArray(found) ? found.filter((one) => one !== null && typeof one === 'object' && !Array.isArray(one)) : [];
  } catch {
    return [];
  }
}

/** {steps, order, window_seconds, exclusions, breakdown, breakdown_attribution}; steps without an event are left out. */
export function read(address) {
  const steps = list(address, 'steps').filter(({ event }) => event).map(({ event, where }) => ({ event, ...(where ? { where } : {}) }));
  const exclusions = list(address, 'exclusions').filter(({ event }) => event && steps.length > 1).map(({ event, from_step: from, to_step: to }) => ({
    event, from_step: Math.min(from ?? 0, steps.length - 2), to_step: Math.min(to ?? steps.length - 1, steps.length - 1),
  }));
  const asked = { steps, order: address.get('order', 'ordered'), window_seconds: Number(address.get('window', USUAL_WINDOW)) || undefined };
  if (exclusions.length) asked.exclusions = exclusions;
  if (address.get('breakdown')) {
    asked.breakdown = address.get('breakdown');
    asked.breakdown_attribution = address.get('attribution', 'first_touch');
  }
  return asked;
}

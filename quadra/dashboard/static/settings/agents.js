// A browser by the names that people know, out of what it calls itself.

const BROWSERS = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
const SYSTEMS = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['CrOS', 'ChromeOS'], ['Mac OS X', 'macOS'], ['Linux', 'Linux']];

const first = (known, agent) => known.find(([sign]) => agent.includes(sign))?.[1];

/** What is not known of them stays as it was sent. */
export function browserName(agent) {
  const [browser, system] = [first(BROWSERS, agent), first(SYSTEMS, agent)];
  if (!browser) return agent || 'Unknown';
  return system ? `${browser} on ${system}` : browser;
}

// Questions and orders to the REST API, with the cookie of this page. What goes wrong is one kind of error, whose message
// is a sentence for people.

const PATIENCE_MS = 15_000;

export class Refused extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export function ask(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  return send(query.size > 0 ? `${path}?${query}` : path, {});
}

export function act(path) {
  return send(path, { method: 'POST', headers: { 'X-CSRF-Token': document.querySelector('meta[name="csrf-token"]').content } });
}

async function send(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    throw new Refused(error.name === 'TimeoutError' ? `Quadra has not answered for ${PATIENCE_MS / 1000} s.` : 'Quadra cannot be reached.');
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(body?.error?.message ?? `Quadra answered with the status ${answer.status}.`, answer.status);
  if (body === null) throw new Refused('Quadra answered something that is no answer.', answer.status);
  return body;
}

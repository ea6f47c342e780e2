// Questions and orders to the REST API, with the cookie of this page. What goes wrong is one kind of error, whose message
// is a sentence for people.

const PATIENCE_MS = 15_000;
const LINES = 'application/x-ndjson';

export class Refused extends Error {
  constructor(message, status = 0, { code = null, fields = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    /** field -> what is wrong with it */
    this.fields = fields;
  }
}

export function ask(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  return send(query.size > 0 ? `${path}?${query}` : path, {});
}

export function act(path) {
  return send(path, { method: 'POST' });
}

/** `body` is sent as JSON. Whoever gives a signal and ends it gets a `Refused` as well, and knows why. */
export async function send(path, options) {
  return read(await reach(path, options));
}

/** Several answers to one order, each an object that `take` is given as soon as it is there. */
export async function sendForLines(path, options, take) {
  const answer = await reach(path, { ...options, accept: LINES });
  if (!answer.ok || answer.headers.get('Content-Type') !== LINES) return read(answer);
  let rest = '';
  try {
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { done, value } = await reader.read();
      const lines = (rest + (value ?? '')).split('\n');
      rest = lines.pop();
      for (const line of lines) take(JSON.parse(line));
      if (done) return null;
    }
  } catch (error) {
    throw away(error, options.patience);
  }
}

async function reach(path, { method = 'GET', body: given, signal = null, patience: ms = PATIENCE_MS, accept = null }) {
  const options = { method, headers: accept ? { Accept: accept } : {} };
  if (method !== 'GET') options.headers['X-CSRF-Token'] = document.querySelector('meta[name="csrf-token"]').content;
  if (given !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(given);
  }
  const patience = AbortSignal.timeout(ms);
  try {
    return await fetch(path, { ...options, signal: signal ? AbortSignal.any([signal, patience]) : patience });
  } catch (error) {
    throw away(error, ms);
  }
}

const away = (error, ms = PATIENCE_MS) => new Refused(error.name === 'TimeoutError' ? `No answer from Quadra for ${ms / 1000} s.` : 'Quadra cannot be reached.');

async function read(answer) {
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(body?.error?.message ?? `Quadra answered with status ${answer.status}.`, answer.status, body?.error);
  if (body === null) throw new Refused('Quadra sent an answer that cannot be read.', answer.status);
  return body;
}

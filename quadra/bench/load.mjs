// The load generator: speaks Socket.IO by hand over WebSockets, or HTTP, so that the generator is not what is measured.
// One JSON object of options as the only argument; one JSON object of results on standard output.
//
//   shape       "single" | "array" | "http"
//   url, key    of the server; "bare" servers ignore the key
//   clients     connections
//   window      unanswered messages a client has at the most
//   size        events in an array or HTTP request
//   seconds     how long to send; what is unanswered then is waited for
//   rate        messages a second over all clients; 0 is as fast as the answers come
//   prefix      of every event id, so that the rows can be counted afterwards
import http from "node:http";
import WebSocket from "ws";

const options = { shape: "single", clients: 50, window: 20, size: 100, seconds: 5, rate: 0, prefix: "b", ...JSON.parse(process.argv[2]) };
const base = new URL(options.url);
let sent = 0, answered = 0, events = 0, stored = 0, duplicates = 0, failed = 0, number = 0, sending = true, began = 0;
const latencies = [];

function event() {
  number += 1;
  const id = `${options.prefix}-${number}`;
  return `{"eventId":"${id}","eventType":"${["page_view", "click", "search", "add_to_cart"][number & 3]}","userId":"user-${number % 5000}","sessionId":"s-${number % 8000}","timestamp":${Date.now()},"pageUrl":"https://shop.example/p/${number % 200}","metadata":{"plan":"pro","position":${number % 10}}}`;
}

function note(start, count, answer) {
  answered += 1;
  if (latencies.length < 2_000_000) latencies.push(performance.now() - start);
  if (answer.code || answer.error) { failed += 1; return; }
  events += count;
  if (answer.duplicate || answer.duplicates) duplicates += answer.duplicates ?? 1;
  stored += answer.stored ?? (answer.duplicate ? 0 : 1);
}

class SocketClient {
  constructor() {
    this.pending = new Map();
    this.next = 0;
  }
  open() {
    return new Promise((resolve, reject) => {
      this.ws = new WebSocket(`ws://${base.host}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
      this.ws.on("error", reject);
      this.ws.on("message", (data) => {
        const text = data.toString();
        if (text[0] === "0") this.ws.send("40" + JSON.stringify({ key: options.key }));
        else if (text === "2") this.ws.send("3");
        else if (text.startsWith("40")) resolve(this);
        else if (text.startsWith("44")) reject(new Error(text));
        else if (text.startsWith("43")) {
          const at = text.indexOf("[");
          const id = +text.slice(2, at);
          const [start, count] = this.pending.get(id);
          this.pending.delete(id);
          note(start, count, JSON.parse(text.slice(at))[0] ?? {});
          if (sending && !options.rate) this.send();
        }
      });
    });
  }
  send() {
    const id = this.next++;
    sent += 1;
    if (options.shape === "single") {
      this.pending.set(id, [performance.now(), 1]);
      this.ws.send(`42${id}["user:event",${event()}]`);
    } else {
      this.pending.set(id, [performance.now(), options.size]);
      const items = Array.from({ length: options.size }, event);
      this.ws.send(`42${id}["user:events",[${items.join()}]]`);
    }
  }
  get waiting() { return this.pending.size; }
  close() { this.ws.terminate(); }
}

class HttpClient {
  constructor() {
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    this.waiting = 0;
  }
  async open() { return this; }
  send() {
    const body = options.size === 1 ? event() : `{"events":[${Array.from({ length: options.size }, event).join()}]}`;
    const start = performance.now();
    this.waiting += 1;
    sent += 1;
    const request = http.request(
      { host: base.hostname, port: base.port, path: options.path ?? "/api/events", method: "POST", agent: this.agent,
        headers: { "X-Quadra-Key": options.key, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) } },
      (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () => {
          this.waiting -= 1;
          note(start, options.size, response.statusCode === 200 ? JSON.parse(text) : { code: response.statusCode });
          if (sending && !options.rate) this.send();
        });
      });
    request.on("error", () => { this.waiting -= 1; note(start, options.size, { code: "network" }); });
    request.end(body);
  }
  close() { this.agent.destroy(); }
}

const clients = await Promise.all(
  Array.from({ length: options.clients }, () => (options.shape === "http" ? new HttpClient() : new SocketClient()).open()),
);
const cpu = process.cpuUsage();
began = performance.now();
if (options.rate) {
  let due = 0;
  const timer = setInterval(() => {
    const wanted = ((performance.now() - began) / 1000) * options.rate;
    while (due < wanted) clients[due++ % clients.length].send();
  }, 1);
  await new Promise((done) => setTimeout(done, options.seconds * 1000));
  clearInterval(timer);
} else {
  for (const client of clients) for (let i = 0; i < (options.shape === "http" ? 1 : options.window); i++) client.send();
  await new Promise((done) => setTimeout(done, options.seconds * 1000));
}
sending = false;
const until = performance.now() + 15_000;
const elapsed = (performance.now() - began) / 1000;
const inTime = events;
while (clients.some((client) => client.waiting) && performance.now() < until) await new Promise((done) => setTimeout(done, 5));
const used = process.cpuUsage(cpu);
latencies.sort((a, b) => a - b);
const at = (share) => (latencies.length ? +latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))].toFixed(3) : null);
for (const client of clients) client.close();
console.log(JSON.stringify({
  events_per_second: Math.round(inTime / elapsed), events, sent, answered, stored, duplicates, failed,
  unanswered: sent - answered, seconds: +elapsed.toFixed(3),
  p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), max_ms: at(1), generator_cpu_share: +((used.user + used.system) / 1e6 / elapsed).toFixed(2),
}));
process.exit(0);

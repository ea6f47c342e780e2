// Page views in a closed loop over HTTP: each connection sends the next request when the last one was answered, so that every
// product is asked as fast as it answers. One JSON object of options as the only argument; one of results on standard output.
//
//   url         of the server
//   door        "send": Umami's door, which Umami and Quadra have alike · "events": Quadra's own, of its tracker
//   key         the website (send) or the write key (events)
//   size        events a request; more than 1 only at "events"
//   clients     connections
//   seconds     how long to send; what is unanswered then is waited for
//   requests    not more than so many; 0 is no bound
import { randomUUID } from "node:crypto";
import http from "node:http";

const options = { door: "send", size: 1, clients: 32, seconds: 5, requests: 0, ...JSON.parse(process.argv[2]) };
const base = new URL(options.url);
const VIEWS = 5; // of one visitor, then the connection plays the next one
const PAGES = 200;
const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
  "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
];
const latencies = [];
let acknowledged = 0, failed = 0, sent = 0, answered = 0, sending = true, finish = null, reason = null;

class Client {
  constructor(number) {
    this.number = number;
    this.views = 0;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    this.token = null;
    this.waiting = false;
  }
  view() {
    const visit = Math.floor(this.views / VIEWS), page = (this.number * 31 + this.views * 7) % PAGES;
    if (this.views % VIEWS === 0) this.token = null; // another browser
    this.visitor = visit * options.clients + this.number;
    this.views += 1;
    return { page, before: this.views % VIEWS === 1 ? "" : `/p/${(page + PAGES - 7) % PAGES}`, visit };
  }
  body() {
    if (options.door === "send") {
      const { page, before } = this.view();
      return JSON.stringify({ type: "event", payload: { website: options.key, hostname: "shop.example", url: `/p/${page}`,
        title: `Product ${page}`, referrer: before, language: "en-US", screen: "1920x1080" } });
    }
    const events = Array.from({ length: options.size }, () => {
      const { page, before, visit } = this.view();
      return { eventId: randomUUID(), timestamp: Date.now(), kind: "page", sessionId: `s-${this.number}-${visit}`,
        pageUrl: `https://shop.example/p/${page}`, pageTitle: `Product ${page}`, language: "en-US", screen: "1920x1080",
        referrer: before ? `https://shop.example${before}` : undefined };
    });
    return JSON.stringify({ sentAt: Date.now(), events });
  }
  send() {
    const body = this.body(), start = performance.now(), n = this.visitor;
    const headers = {
      "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), "User-Agent": AGENTS[n % AGENTS.length],
      // a visitor is an address and a user agent to both products; a loopback address is nowhere in their tables of countries
      "X-Forwarded-For": `127.${1 + ((n >> 16) & 127)}.${(n >> 8) & 255}.${n & 255}`,
    };
    if (options.door === "events") headers["X-Quadra-Key"] = options.key;
    else if (this.token) headers["x-umami-cache"] = this.token; // as Umami's tracker does; it spares the server a query
    this.waiting = true;
    sent += 1;
    const done = (status, text) => {
      this.waiting = false;
      answered += 1;
      latencies.push(performance.now() - start);
      if (status === 200) {
        acknowledged += options.size;
        if (options.door === "send") this.token = text;
      } else {
        failed += 1;
        reason ??= `${status}: ${text.slice(0, 200)}`;
      }
      if (options.requests && sent >= options.requests) finish();
      else if (sending) this.send();
    };
    const request = http.request(
      { host: base.hostname, port: base.port, path: options.door === "send" ? "/api/send" : "/api/events", method: "POST",
        agent: this.agent, headers },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => (text += piece));
        response.on("end", () => done(response.statusCode, text));
      });
    request.on("error", (error) => done(0, error.message));
    request.end(body);
  }
}

const clients = Array.from({ length: options.clients }, (_, number) => new Client(number));
const cpu = process.cpuUsage(), began = performance.now();
for (const client of clients) client.send();
await new Promise((done) => { finish = done; setTimeout(done, options.seconds * 1000); });
sending = false;
const elapsed = (performance.now() - began) / 1000, inTime = acknowledged, until = performance.now() + 15_000;
while (clients.some((client) => client.waiting) && performance.now() < until) await new Promise((done) => setTimeout(done, 5));
const used = process.cpuUsage(cpu);
latencies.sort((a, b) => a - b);
const at = (share) => (latencies.length ? +latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))].toFixed(1) : null);
console.log(JSON.stringify({
  events_per_second: +(inTime / elapsed).toFixed(1), acknowledged, failed, reason, unanswered: sent - answered,
  p50_ms: at(0.5), p99_ms: at(0.99), generator_cpu_share: +((used.user + used.system) / 1e6 / elapsed).toFixed(2),
}));
process.exit(0);

// Senders of the soak: as many events a second as a phase says, whether or not the answers keep up. One JSON object of options
// as the only argument; one JSON object a line on standard output: for each second, minute and phase, and the counts at the end.
//
//   url, key          of the server
//   sockets, http     connections
//   size              events of an array and of a request over HTTP; a tenth of the events goes singly
//   phases            [{ name, seconds, rate, open }]: `rate` events a second, 0 is as fast as the answers come; of at most `open`
//                     events the answer is awaited. What is due beyond that is counted as held back: a client keeps it as well.
//   acknowledged      file of `number events` for each message all of whose events were acknowledged; ids are `soak-number:i`
//   first             the number of the first message
import fs from "node:fs";
import http from "node:http";
import WebSocket from "ws";

const options = JSON.parse(process.argv[2]);
const base = new URL(options.url);
const names = fs.createWriteStream(options.acknowledged, { flags: "a" });
const agent = new http.Agent({ keepAlive: true, maxSockets: options.http });
const SHARES = { single: 0.1, array: 0.45, http: 0.45 };
const AFTER_SECONDS = 90; // for what is unanswered when the time is over
const zero = () => ({ sent: 0, acknowledged: 0, told: 0, untold: 0, failed: 0, held_back: 0, latencies: [] });
const counts = { other: {}, refused_http: 0, refused_sockets: 0 };
const spans = { second: zero(), minute: zero(), phase: zero(), run: zero() };
const sent = { single: 0, array: 0, http: 0 };
let number = options.first, open = 0;

function add(what, many) {
  for (const span of Object.values(spans)) span[what] += many;
}

function make(size) {
  const name = number++;
  const at = Date.now();
  const events = Array.from({ length: size }, (_, i) =>
    `{"eventId":"soak-${name}:${i}","eventType":"soak","userId":"user-${(name * 7 + i) % 5000}","sessionId":"s-${(name * 7 + i) % 8000}","timestamp":${at},"pageUrl":"https://shop.example/p/${i % 200}","metadata":{"plan":"pro","position":${i % 10}}}`);
  return { name, size, text: size === 1 ? events[0] : `[${events.join()}]` };
}

// `refused` is nothing where it was stored, "told" where the sender was told to try again, or what else was answered.
function answered(message, due, refused) {
  open -= message.size;
  const late = performance.now() - due;
  if (refused === undefined) {
    add("acknowledged", message.size);
    names.write(`${message.name} ${message.size}\n`);
    spans.second.latencies.push(late);
    spans.minute.latencies.push(late);
    spans.phase.latencies.push(late);
  } else if (refused === "told") add("told", message.size);
  else if (refused === "untold") add("untold", message.size);
  else {
    add("failed", message.size);
    counts.other[refused] = (counts.other[refused] ?? 0) + 1;
  }
  pump();
}

const whole = (message, answer) =>
  message.size === 1 ? answer.eventId !== undefined : answer.stored + answer.duplicates === message.size;

function overHttp(message, due) {
  const request = http.request(
    { host: base.hostname, port: base.port, path: "/api/events", method: "POST", agent,
      headers: { "X-Quadra-Key": options.key, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(message.text) } },
    (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => {
        if (response.statusCode === 200) return answered(message, due, whole(message, JSON.parse(text)) ? undefined : text);
        if (response.statusCode !== 503) return answered(message, due, `status ${response.statusCode}`);
        counts.refused_http += 1;
        answered(message, due, Number(response.headers["retry-after"]) > 0 ? "told" : "untold");
      });
    });
  request.on("error", (error) => answered(message, due, error.code ?? "network"));
  request.end(message.text);
}

class Socket {
  waiting = new Map();
  next = 0;
  open() {
    this.socket = new WebSocket(`ws://${base.host}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      this.socket.on("error", reject);
      this.socket.on("close", () => {
        reject(new Error("closed"));
        for (const [message, due] of this.waiting.values()) answered(message, due, "socket closed");
        this.waiting.clear();
      });
      this.socket.on("message", (data) => {
        const text = data.toString();
        if (text[0] === "0") this.socket.send("40" + JSON.stringify({ key: options.key }));
        else if (text === "2") this.socket.send("3");
        else if (text.startsWith("40")) resolve(this);
        else if (text.startsWith("43")) this.heard(text);
      });
    });
  }
  heard(text) {
    const at = text.indexOf("["), id = +text.slice(2, at), answer = JSON.parse(text.slice(at))[0];
    const [message, due] = this.waiting.get(id);
    this.waiting.delete(id);
    if (!answer.code) return answered(message, due, whole(message, answer) ? undefined : text);
    // the writer also gives up on a database that takes too long; that means the same to the sender
    const told = answer.code === "overloaded" || answer.code === "unavailable";
    if (told) counts.refused_sockets += 1;
    answered(message, due, told ? "told" : answer.code);
  }
  send(message, due) {
    if (this.socket.readyState !== WebSocket.OPEN) return setTimeout(answered, 100, message, due, "socket closed");
    this.waiting.set(this.next, [message, due]);
    this.socket.send(`42${this.next++}["user:event${message.size === 1 ? "" : "s"}",${message.text}]`);
  }
}

const sockets = await Promise.all(Array.from({ length: options.sockets }, () => new Socket().open()));
let turn = 0, phase = null, due = 0, pumping = false;

// The shape that is furthest behind its share.
function shape() {
  let least = "single";
  for (const name in SHARES) if (sent[name] / SHARES[name] < sent[least] / SHARES[least]) least = name;
  return least;
}

function send(at) {
  const kind = shape(), size = kind === "single" ? 1 : options.size;
  sent[kind] += size;
  if (open + size > phase.open) {
    add("held_back", size);
    return size;
  }
  open += size;
  add("sent", size);
  const message = make(size);
  if (kind === "http") overHttp(message, at);
  else sockets[turn++ % sockets.length].send(message, at);
  return size;
}

function pump() {
  if (phase === null || pumping) return;
  pumping = true;
  const now = performance.now();
  if (phase.rate) while (due <= now) due += (send(due) / phase.rate) * 1000;
  else while (open + options.size <= phase.open) send(now);
  pumping = false;
}

function tell(span, more) {
  const { latencies, ...found } = spans[span];
  latencies.sort((a, b) => a - b);
  const at = (share) => (latencies.length ? +latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))].toFixed(1) : null);
  console.log(JSON.stringify({ span, ...more, ...found, p50_ms: at(0.5), p99_ms: at(0.99), most_ms: at(1) }));
  spans[span] = zero();
}

const timer = setInterval(pump, 1);
for (const one of options.phases) {
  phase = one;
  due = performance.now();
  const began = due, name = one.name;
  for (let second = 1; second <= one.seconds; second++) {
    await new Promise((done) => setTimeout(done, began + second * 1000 - performance.now()));
    tell("second", { name, at: second, seconds: 1 });
    if (second % 60 === 0 || second === one.seconds) tell("minute", { name, at: Math.ceil(second / 60), seconds: (second - 1) % 60 + 1 });
  }
  tell("phase", { name, at: 1, seconds: one.seconds });
}
phase = null;
clearInterval(timer);
const until = performance.now() + AFTER_SECONDS * 1000;
while (open && performance.now() < until) await new Promise((done) => setTimeout(done, 5));
if (open) add("failed", open), (counts.other.unanswered = open);
await new Promise((done) => names.end(done));
tell("run", { name: "run", at: 1, seconds: 0, ...counts, next: number });
process.exit(0);

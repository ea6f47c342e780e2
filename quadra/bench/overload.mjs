// More than Quadra can take, for a long time: every sender always has a request open, and sends what was not stored again
// after the pause it was told. One JSON object of options as the only argument; one JSON object of results on standard output.
//
//   url, key          of the server
//   http, sockets     senders: over HTTP with arrays of `size`, over Socket.IO with arrays of `size` and `window` unanswered
//   size, window
//   seconds           how long to begin new requests; what is unanswered then is waited for
//   acknowledged      file to write the name of each request to whose events were all acknowledged; ids are `name:number`
import fs from "node:fs";
import http from "node:http";
import WebSocket from "ws";

const options = JSON.parse(process.argv[2]);
const base = new URL(options.url);
const names = fs.createWriteStream(options.acknowledged);
const until = performance.now() + options.seconds * 1000;
const counts = { acknowledged: 0, requests: 0, refused_http: 0, refused_sockets: 0, without_retry_after: 0, failed: 0, other: {} };
let number = 0;

function make() {
  const name = `o${(number++).toString(36)}`;
  const events = Array.from({ length: options.size }, (_, i) =>
    `{"eventId":"${name}:${i}","eventType":"overload","userId":"user-${(number * 7 + i) % 5000}","timestamp":${Date.now()},"pageUrl":"https://shop.example/p/${i % 200}","metadata":{"plan":"pro","position":${i % 10}}}`);
  return { name, text: `[${events.join()}]` };
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const going = () => performance.now() < until;

function stored(request, answer) {
  if (answer.stored + answer.duplicates !== options.size) return other(`stored ${answer.stored}, duplicates ${answer.duplicates}`);
  counts.requests += 1;
  counts.acknowledged += options.size;
  names.write(request.name + "\n");
}

function other(what) {
  counts.failed += 1;
  counts.other[what] = (counts.other[what] ?? 0) + 1;
}

// What was refused is sent again until it is stored or the time is over.
async function send(ask) {
  while (going()) {
    const request = make();
    for (let seconds = 0; seconds !== null; ) {
      await pause(seconds);
      seconds = await ask(request);
      if (!going()) break;
    }
  }
}

function overHttp() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  return (request) => new Promise((done) => {
    const sent = http.request(
      { host: base.hostname, port: base.port, path: "/api/events", method: "POST", agent,
        headers: { "X-Quadra-Key": options.key, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(request.text) } },
      (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () => {
          if (response.statusCode === 200) {
            stored(request, JSON.parse(text));
            return done(null);
          }
          const seconds = Number(response.headers["retry-after"]);
          if (response.statusCode !== 503) other(`status ${response.statusCode}`);
          else counts.refused_http += 1;
          if (!(seconds > 0)) counts.without_retry_after += 1;
          done(seconds || 1);
        });
      });
    sent.on("error", (error) => { other(error.code ?? "network"); done(1); });
    sent.end(request.text);
  });
}

async function overSocket() {
  const waiting = new Map();
  let next = 0;
  const socket = new WebSocket(`ws://${base.host}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
  socket.on("close", () => { for (const done of waiting.values()) done(null); });
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (data) => {
      const text = data.toString();
      if (text[0] === "0") socket.send("40" + JSON.stringify({ key: options.key }));
      else if (text === "2") socket.send("3");
      else if (text.startsWith("40")) resolve();
      else if (text.startsWith("43")) {
        const at = text.indexOf("["), id = +text.slice(2, at);
        waiting.get(id)?.(JSON.parse(text.slice(at))[0]);
        waiting.delete(id);
      }
    });
  });
  const ask = async (request) => {
    const id = next++;
    const answer = await new Promise((done) => {
      waiting.set(id, done);
      socket.send(`42${id}["user:events",${request.text}]`);
    });
    if (answer === null) { other("socket closed"); return null; }
    if (!answer.code) { stored(request, answer); return null; }
    // the writer also gives up on a database that takes too long; that means the same to the sender
    if (answer.code === "overloaded" || answer.code === "unavailable") counts.refused_sockets += 1;
    else other(answer.code);
    return 1;
  };
  await Promise.all(Array.from({ length: options.window }, () => send(ask)));
  socket.close();
}

await Promise.all([
  ...Array.from({ length: options.http }, () => send(overHttp())),
  ...Array.from({ length: options.sockets }, overSocket),
]);
await new Promise((done) => names.end(done));
console.log(JSON.stringify(counts));
process.exit(0);

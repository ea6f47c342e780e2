// Load for a Quadra of your own, with k6 (https://k6.io): applications that send batches, and people who look at trends.
//
//   k6 run -e QUADRA_URL=http://127.0.0.1:5000 -e QUADRA_KEY=qk_WRITE -e QUADRA_READ_KEY=qk_READ deploy/k6/quadra.js
//
// It stores events: give it a project of its own (`quadra project create load`). A refusal with 429 or 503 is an answer, not an
// error: it says when to come again, and is counted as `told_to_wait`. The limit of a write key is QUADRA_RATE_LIMIT_INGEST.
import http from "k6/http";
import { check, sleep } from "k6";
import { Counter } from "k6/metrics";

const url = __ENV.QUADRA_URL || "http://127.0.0.1:5000";
const eventsPerRequest = 50;
const stored = new Counter("events_stored");
const toldToWait = new Counter("told_to_wait");

const everyAnswer = http.expectedStatuses(200, 429, 503);

export const options = {
  scenarios: {
    applications: {
      executor: "ramping-arrival-rate",
      exec: "send",
      preAllocatedVUs: 20,
      maxVUs: 100,
      startRate: 1,
      timeUnit: "1s",
      stages: [
        { target: 20, duration: "30s" },
        { target: 20, duration: "2m" },
        { target: 0, duration: "10s" },
      ],
    },
    people: { executor: "constant-vus", exec: "look", vus: 2, duration: "2m30s", startTime: "10s" },
  },
  thresholds: {
    checks: ["rate>0.999"],
    "http_req_duration{scenario:applications}": ["p(95)<500"],
    "http_req_duration{scenario:people}": ["p(95)<2000"],
  },
};

export function send() {
  const events = Array.from({ length: eventsPerRequest }, (_, number) => ({
    event_id: `k6-${__VU}-${__ITER}-${number}-${Date.now()}`,
    event_type: ["page_view", "click", "signup"][number % 3],
    user_id: `user-${(__VU * 7919 + __ITER * 31 + number) % 1000}`,
    session_id: `session-${__VU}-${Math.floor(__ITER / 10)}`,
    page_url: `https://shop.example/p/${number % 30}`,
  }));
  const answer = http.post(`${url}/api/events`, JSON.stringify(events), {
    headers: { "Content-Type": "application/json", "X-Quadra-Key": __ENV.QUADRA_KEY || "" },
    responseCallback: everyAnswer,
  });
  if (answer.status === 429 || answer.status === 503) {
    toldToWait.add(1);
    sleep(Math.min(Number(answer.headers["Retry-After"] || 1), 10));
    return;
  }
  check(answer, {
    "every event was stored": (one) => one.status === 200 && one.json("stored") === eventsPerRequest,
  });
  if (answer.status === 200) {
    stored.add(answer.json("stored"));
  }
}

export function look() {
  const answer = http.get(`${url}/api/analytics/trends?days=7`, {
    headers: { Authorization: `Bearer ${__ENV.QUADRA_READ_KEY || ""}` },
    responseCallback: everyAnswer,
  });
  check(answer, { "trends are answered": (one) => one.status === 200 || one.status === 429 || one.status === 503 });
  sleep(1);
}

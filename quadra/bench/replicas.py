"""How soon an event that is sent to one replica is on a dashboard of the other one."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import simple_websocket

from quadra.bench.processes import Process, quadra
from quadra.core.errors import Misconfigured

Say = Callable[[str], None]
SEED = 5
PATIENCE_SECONDS = 5.0


class Dashboard:
    """A viewer of the project `default`: when each event was on it."""

    def __init__(self, replica: Process, key: str):
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()
        self._socket = simple_websocket.Client(
            f"{replica.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        )
        self._say("40/live," + json.dumps({"key": key}), "40/live,")
        self._say('42/live,0["admin:join",{"project":"default"}]', "43/live,0")
        threading.Thread(target=self._read, name="bench-dashboard", daemon=True).start()

    def _say(self, text: str, answer: str) -> None:
        self._socket.send(text)
        until = time.monotonic() + PATIENCE_SECONDS
        while not str(self._socket.receive(timeout=PATIENCE_SECONDS)).startswith(answer):
            if time.monotonic() > until:
                raise Misconfigured(f"The dashboard was not let in: no answer to {text[:20]!r}.")

    def _read(self) -> None:
        try:
            while True:
                text = str(self._socket.receive())
                at = time.perf_counter()
                if text == "2":
                    self._socket.send("3")
                elif text.startswith('42/live,["admin:event",'):
                    events = json.loads(text[text.index("[") :])[1]["events"]
                    with self._changed:
                        self._seen.update({event["eventId"]: at for event in events})
                        self._changed.notify_all()
        except simple_websocket.ConnectionClosed:
            return

    def saw(self, event_id: str) -> float | None:
        with self._changed:
            self._changed.wait_for(lambda: event_id in self._seen, PATIENCE_SECONDS)
            return self._seen.get(event_id)

    def close(self) -> None:
        self._socket.close()


def run(database_url: str, redis_url: str, *, events: int, say: Say) -> list[dict[str, Any]]:
    """Send `events` single events to one replica, 0.15 to 0.35 s apart, and look at a dashboard of each."""
    with ExitStack() as stack:
        extra = {"REDIS_URL": redis_url}
        first = stack.enter_context(quadra("replica A", database_url, worker=False, extra=extra))
        second = stack.enter_context(quadra("replica B", database_url, worker=False, extra=extra))
        time.sleep(3)  # until they hear each other
        boards = {
            "the same replica": Dashboard(first, first.read_key),
            "another replica": Dashboard(second, first.read_key),
        }
        connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=10)
        chance = random.Random(SEED)
        waited: dict[str, list[float]] = {name: [] for name in boards}
        for number in range(events):
            time.sleep(chance.uniform(0.15, 0.35))
            event_id, began = f"bench-{number}-{time.time_ns()}", time.perf_counter()
            body = json.dumps({"event_id": event_id, "event_type": "seen", "user_id": "u"})
            connection.request("POST", "/api/events", body, {"X-Quadra-Key": first.key})
            if (status := _status(connection)) != 200:
                raise Misconfigured(f"An event was answered with {status}.")
            for name, board in boards.items():
                at = board.saw(event_id)
                if at is None:
                    raise Misconfigured(f"Event {number} was never on the dashboard of {name}.")
                waited[name].append((at - began) * 1000)
        for board in boards.values():
            board.close()
        connection.close()
    results = [{"name": name, "events": events, **_spread(values)} for name, values in waited.items()]
    for one in results:
        say(
            f"On a dashboard of {one['name']}: p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms, most {one['most_ms']} ms"
        )
    return results


def _status(connection: http.client.HTTPConnection) -> int:
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _spread(values: list[float]) -> dict[str, float]:
    points = statistics.quantiles(values, n=100)
    return {"p50_ms": round(points[49], 1), "p99_ms": round(points[98], 1), "most_ms": round(max(values), 1)}

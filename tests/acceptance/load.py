"""Senders that behave as good ones do: they note what was acknowledged, and go on after every failure."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import sqlalchemy as sa
from websocket import WebSocketException, create_connection

from quadra.core.database import Database
from tests.clients import assert_counts_are_rows, stored_ids
from tests.servers.quadra import QuadraProcess
from tests.waiting import PATIENCE_SECONDS

GONE = (OSError, WebSocketException, http.client.HTTPException, json.JSONDecodeError)
SINGLES, ARRAY, REQUEST = 20, 50, 30


class Load:
    """Threads that send until told to stop. `names` gives the ids; by default no two are the same."""

    def __init__(self, key: str, names: Callable[[int], Iterator[str]] | None = None):
        self._key = key
        self._names = names or (lambda worker: (f"{id(self):x}-{worker}-{n}" for n in itertools.count()))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.new = 0
        """Acknowledged as stored, and not as a duplicate."""
        self.refusals: Counter[str] = Counter()
        """Error codes that came instead; for HTTP `status code`."""
        self.broken: list[BaseException] = []

    @contextmanager
    def on(self, *targets: QuadraProcess) -> Iterator[Load]:
        """Send to each of `targets` in every way while the block runs."""
        for target in targets:
            for way in (self._single, self._single, self._array, self._http):
                names = self._names(len(self._threads))
                self._threads.append(threading.Thread(target=self._run, args=(way, target, names)))
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(90)
        assert self.broken == []

    def wait_for_more(self, count: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Until so many more events are acknowledged."""
        wanted, end = len(self.acknowledged) + count, time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < end, f"only {len(self.acknowledged)} of {wanted}; {self.refusals}; {self.broken}"
            time.sleep(0.01)

    def _run(self, way: Callable[..., None], target: QuadraProcess, names: Iterator[str]) -> None:
        pending: list[dict[str, Any]] = []
        while not self._stop.is_set():
            try:
                way(target, names, pending)
            except GONE:
                time.sleep(0.02)
            except BaseException as error:
                self.broken.append(error)
                return

    def _next(self, names: Iterator[str], pending: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        """What was not acknowledged the last time, with the same ids, else new events."""
        if not pending:
            pending += [
                {"eventId": name, "eventType": "loaded", "userId": "u"} for name in itertools.islice(names, count)
            ]
            if not pending:
                self._stop.wait()
        return list(pending)

    def _note(self, pending: list[dict[str, Any]], names: list[str], new: int) -> None:
        with self.lock:
            self.acknowledged.update(names)
            self.new += new
        done = set(names)
        pending[:] = [one for one in pending if one["eventId"] not in done]

    def _refuse(self, code: str) -> None:
        with self.lock:
            self.refusals[code] += 1
        self._stop.wait(0.02)

    def _single(self, target: QuadraProcess, names: Iterator[str], pending: list[dict[str, Any]]) -> None:
        with self._socket(target) as ask:
            while not self._stop.is_set():
                events = self._next(names, pending, SINGLES)
                for answer in ask([("user:event", one) for one in events]):
                    if "batchId" in answer:
                        self._note(pending, [answer["eventId"]], not answer["duplicate"])
                    else:
                        self._refuse(answer["code"])

    def _array(self, target: QuadraProcess, names: Iterator[str], pending: list[dict[str, Any]]) -> None:
        with self._socket(target) as ask:
            while not self._stop.is_set():
                events = self._next(names, pending, ARRAY)
                (answer,) = ask([("user:events", events)])
                assert answer["stored"] + answer["duplicates"] + len(answer["refused"]) == len(events)
                if answer["refused"]:
                    assert [one["eventId"] for one in answer["refused"]] == [one["eventId"] for one in events]
                    self._refuse(answer["code"])
                else:
                    self._note(pending, [one["eventId"] for one in events], answer["stored"])

    @contextmanager
    def _socket(self, target: QuadraProcess) -> Iterator[Callable[[list[tuple[str, Any]]], list[Any]]]:
        """A joined connection as a function: messages -> their acknowledgements."""
        url = f"ws://127.0.0.1:{target.port}/socket.io/?EIO=4&transport=websocket"
        with ExitStack() as stack:
            connection = create_connection(url, timeout=90, suppress_origin=True)
            stack.callback(connection.shutdown)  # `close` does nothing where the server was quicker
            connection.recv()
            connection.send("40" + json.dumps({"key": self._key}))
            if not connection.recv().startswith("40"):
                raise ConnectionError("not admitted")

            def ask(messages: list[tuple[str, Any]]) -> list[Any]:
                for number, message in enumerate(messages):
                    connection.send(f"42{number}" + json.dumps(message))
                answers: list[Any] = []
                while len(answers) < len(messages):
                    packet = connection.recv()
                    if packet == "2":
                        connection.send("3")
                    elif packet.startswith("43"):
                        answers += json.loads(packet[packet.index("[") :])
                    else:
                        raise ConnectionError(f"no acknowledgement: {packet[:100]!r}")
                return answers

            yield ask

    def _http(self, target: QuadraProcess, names: Iterator[str], pending: list[dict[str, Any]]) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", target.port, timeout=90)) as connection:
            while not self._stop.is_set():
                events = self._next(names, pending, REQUEST)
                headers = {"X-Quadra-Key": self._key}
                connection.request("POST", "/api/events?results=all", json.dumps(events), headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
                if response.status == 200:
                    stored = [one["event_id"] for one in answer["results"] if one["status"] in ("stored", "duplicate")]
                    assert len(stored) == len(events), answer
                    self._note(pending, stored, answer["stored"])
                else:
                    assert int(response.headers["Retry-After"]) >= 1
                    self._refuse(f"{response.status} {answer['error']['code']}")


def assert_kept(load: Load, database: Database) -> None:
    """Every acknowledged event is there, each once, and every batch holds exactly what it counts."""
    ids = stored_ids(database)
    assert len(ids) == len(set(ids))
    missing = load.acknowledged - set(ids)
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged events are gone"
    assert assert_counts_are_rows(database) == len(ids)


class SealedBatches:
    """What each sealed batch held when it was first seen sealed."""

    def __init__(self, database: Database):
        self._database = database
        self.held: dict[str, set[str]] = {}

    def look(self) -> None:
        with self._database.engine.connect() as connection:
            sealed = connection.execute(sa.text("SELECT id FROM batch WHERE status <> 'OPEN'")).scalars()
            for batch_id in set(sealed) - set(self.held):
                self.held[batch_id] = self._events(connection, batch_id)

    def assert_unchanged(self) -> None:
        with self._database.engine.connect() as connection:
            for batch_id, held in self.held.items():
                assert self._events(connection, batch_id) == held

    def _events(self, connection: sa.Connection, batch_id: str) -> set[str]:
        query = sa.text("SELECT event_id FROM event WHERE batch_id = :batch_id")
        return set(connection.execute(query, {"batch_id": batch_id}).scalars())

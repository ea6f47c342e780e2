"""What a web process notes about itself: the requests that it served, and its errors; stored through the writer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address, ip_network

from flask import g, has_request_context, request
from sqlalchemy.exc import SQLAlchemyError

from quadra.core.errors import QuadraError, Unavailable
from quadra.core.runtime import Runtime
from quadra.core.web.limits import client_address
from quadra.core.web.loop import Threads
from quadra.core.web.served import Served
from quadra.health.self_events import NoteErrors, Observer
from quadra.ingest.columns import Row
from quadra.ingest.doors.intake import Intake
from quadra.ingest.doors.routes import PATHS as INGEST
from quadra.ingest.halving import Outcome
from quadra.ingest.writer import Writer
from quadra.insights.costs import own_project

logger = logging.getLogger(__name__)

NOT_NOTED = (
    "/health",
    "/metrics",
    "/q.js",
    "/q-more.js",
    "/q-survey.js",
    "/script.js",
    "/js/script.js",
    "/static/",
    "/array/",
)
"""Beginnings of paths that are asked all the time by programs, or hold no work."""
TURN_SECONDS = 1.0
AT_MOST = 0.25
"""Of the writer's queue: beyond it others wait, and what is about ourselves stands back."""
ROW_BYTES = 1_500


class Ticket:
    """Rows nobody waits for."""

    door = "quadra"

    def __init__(self, rows: Sequence[Row], observer: Observer):
        self.rows = rows
        self.weight = ROW_BYTES * len(rows)
        self._observer = observer

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """They are stored."""

    def fail(self, error: Unavailable) -> None:
        self._observer.drop("failed", len(self.rows))


def set_up(runtime: Runtime) -> None:
    """Have the requests and errors of a web process noted and stored, where SELF_OBSERVE says so."""
    if not runtime.settings.self_observe:
        return
    observer = Observer(runtime, "web", endpoint)
    handler = NoteErrors(observer)
    runtime.on_served.append(Requests(observer))
    web = _Web(runtime, runtime.kept(Intake).writer, observer)
    root = logging.getLogger()
    runtime.on_start += (partial(root.addHandler, handler), web.start)
    runtime.on_stop.append(partial(root.removeHandler, handler))


class _Web:
    """On the event loop."""

    def __init__(self, runtime: Runtime, writer: Writer, observer: Observer):
        self._runtime = runtime
        self._writer = writer
        self._observer = observer
        self._threads = Threads(runtime.loop, 1, "observe")
        self._project_id: int | None = None
        self._most = int(runtime.settings.writer_queue_events * AT_MOST)

    def start(self) -> None:
        self._runtime.loop.spawn(self._store_for_ever)

    def _store_for_ever(self) -> None:
        while True:
            try:
                rows = self._threads.run(self._noted)
                self._submit(rows)
            except (QuadraError, SQLAlchemyError) as error:
                logger.warning("health.tick.postponed", extra={"reason": str(error)})
            except Exception:  # whatever it is, looking at oneself must not end the process or this loop
                logger.exception("health.tick.failed")
            self._runtime.loop.sleep(TURN_SECONDS)

    def _noted(self) -> list[Row]:
        """On a native thread."""
        if self._project_id is None:
            with self._runtime.database.begin() as session:
                self._project_id = own_project(session)
        self._observer.sample()
        return self._observer.take(self._project_id)

    def _submit(self, rows: list[Row]) -> None:
        if not rows:
            return
        if self._writer.depth > self._most:
            self._observer.drop("busy", len(rows))
            return
        try:
            self._writer.submit(Ticket(rows, self._observer))
        except Unavailable:
            self._observer.drop("busy", len(rows))


class Requests:
    """Notes what was served, on the thread that served it and with its request at hand."""

    def __init__(self, observer: Observer):
        self._observer = observer

    def __call__(self, served: Served) -> None:
        if served.endpoint in INGEST or served.endpoint.startswith(NOT_NOTED) or request.method == "OPTIONS":
            return
        who = g.get("caller")
        self._observer.note(
            kind="request",
            event_type="request",
            endpoint=served.endpoint,
            method=served.method,
            status_code=served.status,
            response_time_ms=round(served.seconds * 1000, 3),
            success=served.status < 400,
            user_id=who.counted_as or None if who is not None else None,
            properties={
                "request_id": served.request_id,
                "user_agent": request.headers.get("User-Agent", "")[:300],
                "ip_address": truncated(client_address()),
                "language": request.headers.get("Accept-Language", "").partition(",")[0][:35],
                "project": served.project,
            },
        )


def endpoint() -> str | None:
    """The template of the route that this thread is answering."""
    return request.url_rule.rule if has_request_context() and request.url_rule else None


def truncated(address: str) -> str:
    """An address without what tells single machines apart."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False).network_address)

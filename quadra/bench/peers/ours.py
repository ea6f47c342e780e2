"""Quadra as the comparison runs it: `quadra serve` with its worker beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from os import environ
from typing import Any
from urllib.parse import urlencode

import quadra
from quadra.bench import processes
from quadra.bench.peers.history import View
from quadra.bench.peers.product import (
    FUNNEL,
    HOST,
    PAGE_VIEWS,
    RETENTION,
    TOP,
    TOP_PAGES,
    VISITORS,
    Door,
    call,
    count,
    dsn_of,
)
from quadra.core import clock
from quadra.core.errors import Misconfigured

BATCH = 1_000
TRIES = 20
EVENT = "page_view"
DOORS = (
    Door("Umami's door, one event a request", "send", 1),
    Door("its tracker's door, one event a request", "events", 1),
    Door("its tracker's door, 100 events a request", "events", 100),
)


class Quadra:
    name = "Quadra"
    version = quadra.__version__
    doors = DOORS

    def __init__(self, process: processes.Process):
        self.process = process
        self.dsn = dsn_of(process.database_url)
        self.key = process.key

    def fill(self, views: Iterable[View]) -> None:
        """Through its door, then into segments, as its worker does hour by hour."""
        rest = iter(views)
        number = 0
        while some := list(islice(rest, BATCH)):
            events = [_event(view, number + at) for at, view in enumerate(some)]
            call(f"{self.process.url}/api/events", {"X-Quadra-Key": self.process.key}, {"events": events})
            number += len(some)
        self._compact()

    def _compact(self) -> None:
        """Again where the worker has taken the same batches meanwhile, which the command refuses."""
        command = [sys.executable, "-m", "quadra", "warehouse", "compact"]
        known, said = {**environ, **self.process.environment}, ""
        for _ in range(TRIES):
            done = subprocess.run(command, env=known, check=False, capture_output=True, text=True)
            if done.returncode == 0:
                return
            said = done.stderr[-500:]
        raise Misconfigured(f"The past cannot be compacted: {said}")

    def rows(self) -> int:
        return count(self.dsn, "event")

    def file_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.process.directory.rglob("*.parquet"))

    def ask(self, panel: str, start: datetime, end: datetime) -> int | None:
        asked = {"from": clock.iso(start), "to": clock.iso(end)}
        if panel == PAGE_VIEWS:
            series = self._get("trends", {**asked, "event": EVENT, "interval": "day"})["series"]
            return int(sum(point["value"] for point in series[0]["points"]))
        if panel == VISITORS:
            return int(self._get("visits", asked)["totals"]["visitors"])
        if panel == TOP_PAGES:
            rows = self._get("visits", {**asked, "by": "page", "sort": "page_views", "limit": TOP, "compare": "none"})
            return int(rows["rows"][0]["page_views"])
        if panel == RETENTION:
            self._get("retention", {**asked, "period": "day", "first_event": EVENT, "return_event": EVENT})
        if panel == FUNNEL:
            steps = [{"event": EVENT, "where": {"page_url": f"{HOST}/p/{page}"}} for page in (1, 2)]
            self._get("funnels/query", None, {**asked, "steps": steps, "window_seconds": 3600})
        return None

    def _get(self, lens: str, asked: dict[str, Any] | None, body: Any = None) -> Any:
        address = f"{self.process.url}/api/analytics/{lens}" + (f"?{urlencode(asked)}" if asked else "")
        return call(address, {"Authorization": f"Bearer {self.process.read_key}"}, body)


@contextmanager
def running(database_url: str | None) -> Iterator[Quadra]:
    # loopback is the proxy that says who the visitor is, as a web server before Quadra does
    with processes.quadra(
        "Quadra", database_url, worker=True, extra={"QUADRA_TRUSTED_PROXIES": "127.0.0.1"}
    ) as process:
        yield Quadra(process)


def _event(view: View, number: int) -> dict[str, Any]:
    return {
        "eventId": f"past-{number}",
        "kind": "page",
        "anonymousId": f"visitor-{view.visitor}",
        "timestamp": clock.iso(view.at),
        "pageUrl": f"{HOST}/p/{view.page}",
        "pageTitle": f"Product {view.page}",
        "referrer": None if view.before is None else f"{HOST}/p/{view.before}",
        "language": "en-US",
        "screen": "1920x1080",
    }

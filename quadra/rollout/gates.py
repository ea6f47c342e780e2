"""What a new replica must show before it is used: that it starts, is ready, and answers real requests well and in time."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from msgspec import UNSET, Struct, UnsetType, to_builtins

from quadra.core.settings import Settings
from quadra.rollout.faults import too_slow
from quadra.rollout.processes import alive, last_line, rss_mb
from quadra.rollout.records import Kept

WISHES = (
    ("GET", "/health/ready"),
    ("GET", "/login"),
    ("GET", "/q.js"),
    ("GET", "/api/auth/me"),
    ("POST", "/api/events"),
)
"""What a stranger may ask: pages, files, the database behind sessions and keys. It stores nothing."""
AT_ONCE = 4
PROBE_SECONDS = 5.0


class Refused(Exception):
    """A release is not taken. `kind` is one of the failure kinds of docs/rollout.md."""

    def __init__(self, kind: str, reason: str, **figures: Any):
        super().__init__(reason)
        self.kind = kind
        self.figures = figures


class Figures(Struct):
    """Of the requests that were asked of a release."""

    requests: int
    errors: int
    p95_ms: float
    gate_p95_ms: float
    p95_before_ms: float | UnsetType = UNSET
    rss_mb: float | UnsetType | None = UNSET

    def as_dict(self) -> dict[str, Any]:
        """As a deployment's own figures hold them."""
        shown: dict[str, Any] = to_builtins(self)
        return shown


def answers(port: int, path: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a replica answers this path with 200."""
    try:
        return httpx2.get(f"http://127.0.0.1:{port}{path}", timeout=seconds, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def wait_until_ready(kept: Kept, settings: Settings, log: Path) -> float:
    """Seconds until it was ready SUCCESSES times in a row. Raises `Refused`."""
    began, limit = time.monotonic(), settings.supervisor_start_timeout.total_seconds()
    good, seen = 0, "nothing"
    while True:
        if not alive(kept):
            raise Refused(
                "deployment", f"{kept.name} ended before it was ready. It said last: {last_line(log) or 'nothing'}"
            )
        for path in ("/health/startup", "/health/ready"):
            if not answers(kept.port or 0, path):
                good = 0
                break
            seen = path
        else:
            good += 1
            if good >= settings.supervisor_successes:
                return round(time.monotonic() - began, 3)
        if time.monotonic() - began > limit:
            raise Refused(
                "health",
                f"{kept.name} was not ready within {limit:g} s; the last probe that it answered well: {seen}.",
                start_timeout_seconds=limit,
            )
        time.sleep(0.2)


def measure(kept: Kept, settings: Settings, before_ms: float | None = None) -> Figures:
    """The figures of GATE_REQUESTS requests and of the memory after them. Raises `Refused` when they break a gate."""
    found = ask_many(kept.address, settings, settings.supervisor_gate_requests)
    judge(found, before_ms)
    found.rss_mb = rss = rss_mb(kept)
    if (limit := settings.supervisor_memory_mb) is not None and rss is not None and rss > limit:
        says = f"The resource gate: {kept.name} takes {rss:.0f} MB right after its start, the limit is {limit} MB."
        raise Refused("resources", says, **found.as_dict(), memory_limit_mb=limit)
    return found


def ask_many(address: str, settings: Settings, count: int) -> Figures:
    """The figures of so many requests, or of fewer where so many are bad that they decide."""
    limit = settings.supervisor_gate_p95.total_seconds()
    # an answer that takes longer than this is no answer; the gate itself is bounded by it
    patience = max(2 * limit, 1.0)
    found: list[tuple[int, float]] = []

    def ask(number: int) -> None:
        bad = sum(status == 0 or status >= 500 or seconds > limit for status, seconds in found)
        if bad <= count // 20 + AT_ONCE:  # more of them decide; the others need not be waited for
            found.append(_ask(client, *WISHES[number % len(WISHES)]))

    with (
        httpx2.Client(base_url=address, timeout=patience, trust_env=False) as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        list(threads.map(ask, range(count)))
    return figures_of(found, limit)


def figures_of(found: list[tuple[int, float]], limit: float) -> Figures:
    """Of answers (status, seconds); status 0 is none."""
    times = sorted(seconds for _, seconds in found)
    errors = sum(status == 0 or status >= 500 for status, _ in found)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    return Figures(len(found), errors, round(p95 * 1000, 1), limit * 1000)


def judge(found: Figures, before_ms: float | None = None) -> None:
    """Raises `Refused`. `before_ms`: the p95 of the release before, asked the same at the same time."""
    if before_ms is not None:
        found.p95_before_ms = before_ms
    if why := too_slow(found.p95_ms, found.gate_p95_ms, before_ms):
        raise Refused("performance", f"The performance gate: {why}.", **found.as_dict())
    if found.errors > found.requests // 100:
        says = f"{found.errors} of {found.requests} requests failed (5xx or no answer)."
        raise Refused("health", f"The performance gate: {says}", **found.as_dict())


def _ask(client: httpx2.Client, method: str, path: str) -> tuple[int, float]:
    # an address of its own for each: what strangers may ask is counted for each address
    address = f"127.{secrets.randbelow(255)}.{secrets.randbelow(255)}.{1 + secrets.randbelow(254)}"
    body = b'{"event_type":"gate"}' if method == "POST" else None
    began = time.monotonic()
    try:
        answer = client.request(method, path, content=body, headers={"X-Forwarded-For": address})
    except httpx2.HTTPError:
        return 0, time.monotonic() - began
    return answer.status_code, time.monotonic() - began

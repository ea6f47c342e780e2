"""How often somebody may ask, counted in Redis where there is one, else in memory (docs/limits.md).

Who is known is counted by key or user, a stranger by address: a client with a valid key is never locked out by strangers at
the same address. Counting blocks on Redis and therefore happens on native threads. Requests that stay on the event loop are
exempt here; ingest counts events by itself (`ingest/doors/quota.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

from flask import Flask, Response, current_app, g, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded
from limits import parse_many
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.exc import SQLAlchemyError

from quadra.core.errors import Limited, QuadraError
from quadra.core.redis import limits_storage
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.core.web import http
from quadra.core.web.addresses import client_address, client_network, from_trusted_peer
from quadra.core.web.http import error_response

__all__ = ["client_address", "client_network", "from_trusted_peer"]  # rooms that limit ask for these here, too

EXEMPT = "QUADRA_LIMITS_EXEMPT"
WHO = "QUADRA_LIMITS_WHO"
PREFIX = "quadra"
EVERYTHING = "everything"
"""What the one limit of all doors counts together."""

UNLIMITED = frozenset(
    {
        "/health",
        "/health/ready",
        "/health/startup",
        "/metrics",
        "/q.js",
        "/q-more.js",
        "/q-survey.js",
        "/script.js",
        "/js/script.js",
    }
)
"""Paths that are counted for nobody: probes and scrapers come often and for ever, and the tracker is on every page."""
OWN_LIMIT = ("/share/", "/array/")
"""Beginnings of paths that have a limit of their own, or none."""
OPEN = frozenset({"/api/auth/login", "/api/auth/logout", "/api/docs", "/api/openapi.json"})
"""Doors under /api that strangers come to in the normal course of things; outside of /api all are."""
TRAIN = "/api/train"


class Allowance(NamedTuple):
    """How much the sender of a request may, and under which name it is counted."""

    rate: str
    bucket: str
    known: bool


def allowance() -> Allowance | None:
    """Of the current request; None where nothing is counted."""
    if "allowance" not in g:
        g.allowance = None if _is_exempt() else _find_allowance()
    found: Allowance | None = g.allowance
    return found


def count_again() -> None:
    """Count one more try of the current request's sender: where it asks for several things. Blocks. Raises `Limited`."""
    if WHO in current_app.config and (found := allowance()) is not None:
        take(http.runtime(), found.rate, found.bucket)


def _find_allowance() -> Allowance | None:
    settings, path = http.runtime().settings, request.path
    if unlimited(path) or request.method == "OPTIONS":
        return None
    try:
        who: str | None = current_app.config[WHO]()
    except (QuadraError, SQLAlchemyError):  # the database cannot say who this is; the route will answer so
        return None
    if who:
        if path == TRAIN and request.method == "POST":
            return Allowance(f"{settings.rate_limit_training}/minute", f"train:{who}", True)
        return Allowance(f"{settings.rate_limit_reads}/minute", f"read:{who}", True)
    if path in OPEN or not path.startswith("/api/"):
        return Allowance(f"{settings.rate_limit_open}/minute", f"open:{client_network()}", False)
    rate = f"{settings.rate_limit_strangers_day}/day;{settings.rate_limit_strangers_hour}/hour"
    return Allowance(rate, f"stranger:{client_network()}", False)


def unlimited(path: str) -> bool:
    return path in UNLIMITED or path.startswith(OWN_LIMIT)


# the limiter asks these while it evaluates a request that is not exempt
def _rate() -> str:
    found = allowance()
    return found.rate if found else "1/second"


def _bucket() -> str:
    found = allowance()
    return found.bucket if found else "nobody"


limiter = Limiter(
    client_network,
    application_limits=[
        ApplicationLimit(
            limit_provider=_rate, key_function=_bucket, scope=EVERYTHING, exempt_when=lambda: allowance() is None
        )
    ],
    # the library leaves out requests without an endpoint: an address that no route is for is a door like any other
    request_identifier=lambda: request.endpoint or "unmatched",
    strategy="moving-window",  # a fixed window lets twice as many through around its edge
    in_memory_fallback_enabled=True,
    key_prefix=PREFIX,
)
"""Decorate with `limiter.limit` or `limiter.shared_limit`.

A key function must not raise: the limiter would take it for a broken Redis."""


def set_up(
    app: Flask, settings: Settings, *, exempt: Callable[[], bool] = lambda: False, who: Callable[[], str] = lambda: ""
) -> None:
    """Count in `app`. `exempt` names requests that stay on the event loop: a Redis that is away must not hold them.

    `who` names the sender of the current request by their key or session; empty is a stranger. May raise `Unavailable`.
    """
    uri, options = limits_storage(settings)
    app.config.update(
        RATELIMIT_ENABLED=settings.rate_limit_enabled, RATELIMIT_STORAGE_URI=uri, RATELIMIT_STORAGE_OPTIONS=options
    )
    app.config[EXEMPT] = exempt
    app.config[WHO] = who
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, _on_exceeded)
    app.after_request(_send_headers)


def limited(error: RateLimitExceeded) -> Limited:
    """What the sender is told, with the seconds to wait."""
    _, seconds = _window()
    if error.limit.scope != EVERYTHING:
        return Limited(f"Too many tries; try again in {seconds} s.", retry_after_seconds=seconds)
    found = allowance()
    hint = "" if found is None or found.known else " With a key, or logged in, you may ask more often."
    return Limited(f"Too many requests; try again in {seconds} s.{hint}", retry_after_seconds=seconds)


def in_memory(_runtime: Runtime) -> MovingWindowRateLimiter:
    """Of one process, for what is no request while Redis is away; requests have the limiter's own fallback."""
    return MovingWindowRateLimiter(MemoryStorage())


_parsed = lru_cache(parse_many)


def take(runtime: Runtime, rate: str, bucket: str) -> None:
    """Count one try of a sender that is not a request, such as a message on a socket. Blocks. Raises `Limited`."""
    if not limiter.enabled:
        return
    for item in _parsed(rate):
        try:
            allowed = limiter.limiter.hit(item, PREFIX, bucket, EVERYTHING)
        except StorageError:
            allowed = runtime.the(in_memory).hit(item, PREFIX, bucket, EVERYTHING)
        if not allowed:
            seconds = max(1, math.ceil(item.get_expiry() / item.amount))
            raise Limited(f"Too many requests; try again in {seconds} s.", retry_after_seconds=seconds)


T = TypeVar("T")


def count_in(runtime: Runtime, call: Callable[[Any], T]) -> T:
    """Do something with the storage of moving windows, in memory while Redis is away. Blocks."""
    try:
        return call(limiter.limiter.storage)
    except StorageError:
        return call(runtime.the(in_memory).storage)


def counted_in() -> Literal["redis", "memory"]:
    """Where this process counts at present; in memory also while the Redis that is configured is away."""
    # while the storage is lost, the limiter hands out its fallback
    return "redis" if isinstance(limiter.limiter.storage, RedisStorage) else "memory"


@limiter.request_filter
def _is_exempt() -> bool:
    exempt: Callable[[], bool] = current_app.config[EXEMPT]
    return exempt()


def _on_exceeded(error: RateLimitExceeded) -> Response:
    return error_response(limited(error))


def _send_headers(response: Response) -> Response:
    if (current := limiter.current_limit) is not None:
        remaining, seconds = _window()
        headers = {"Limit": current.limit.amount, "Remaining": remaining, "Reset": seconds}
        response.headers.update({f"RateLimit-{name}": str(value) for name, value in headers.items()})
    return response


def _window() -> tuple[int, int]:
    """How many more tries the limit of this request allows, and the seconds until it allows another one."""
    if (current := limiter.current_limit) is None:
        return 0, 1
    try:
        return max(0, current.remaining), max(1, math.ceil(current.reset_at - time.time()))
    except StorageError:  # Redis went away after it counted: what was decided holds, only the figures are missing
        return 0, 1

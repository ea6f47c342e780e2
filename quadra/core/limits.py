"""How often somebody may ask, counted in Redis where there is one, else in memory; and from which address they ask.

Counting blocks on Redis and therefore happens on native threads. Requests that stay on the event loop are exempt here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from flask import Flask, Response, current_app, request
from flask_limiter import Limiter, RateLimitExceeded
from limits.errors import StorageError
from limits.storage import RedisStorage

from quadra.core.errors import Limited
from quadra.core.http import error_response
from quadra.core.redis import limits_storage
from quadra.core.runtime import runtime
from quadra.core.settings import Settings

EXEMPT = "QUADRA_LIMITS_EXEMPT"


def client_address() -> str:
    """Who sent this request. `X-Forwarded-For` counts only as far as trusted proxies wrote it.

    Each proxy adds its peer on the right: from there, the first address that is not a trusted proxy is the client's.
    What stands further left is the client's own invention.
    """
    found = request.remote_addr or ""
    if not _is_trusted(found):
        return found
    for word in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        address = _parse(word)
        if address is None:
            break
        found = str(address)
        if not _is_trusted(found):
            break
    return found


def from_trusted_peer() -> bool:
    """Whether the `X-Forwarded-…` headers of this request were written by a trusted proxy."""
    return _is_trusted(request.remote_addr or "")


def client_network() -> str:
    """The address to count by: an IPv6 customer has a /64 to choose addresses from, so the /64 is counted."""
    address = _parse(client_address())
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address or "unknown")


limiter = Limiter(
    client_network,
    strategy="moving-window",  # a fixed window lets twice as many through around its edge
    in_memory_fallback_enabled=True,
    key_prefix="quadra",
)
"""Decorate with `limiter.limit` or `limiter.shared_limit`.

A key function must not raise: the limiter would take it for a broken Redis."""


def set_up(app: Flask, settings: Settings, *, exempt: Callable[[], bool] = lambda: False) -> None:
    """Count in `app`. `exempt` names requests that stay on the event loop: a Redis that is away must not hold them."""
    uri, options = limits_storage(settings)
    app.config.update(
        RATELIMIT_ENABLED=settings.rate_limit_enabled, RATELIMIT_STORAGE_URI=uri, RATELIMIT_STORAGE_OPTIONS=options
    )
    app.config[EXEMPT] = exempt
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, _on_exceeded)
    app.after_request(_send_headers)


def limited(_error: RateLimitExceeded) -> Limited:
    """What the sender is told, with the seconds to wait."""
    _, seconds = _window()
    return Limited(f"Too many tries; try again in {seconds} s.", retry_after_seconds=seconds)


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


def _is_trusted(address: str) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in runtime().settings.trusted_proxies)


def _parse(word: str) -> IPv4Address | IPv6Address | None:
    """An address, also with a port as some proxies write it. `::ffff:192.0.2.1` is 192.0.2.1."""
    word = word.strip()
    if word.startswith("["):
        word = word[1:].partition("]")[0]
    elif word.count(":") == 1:
        word = word.partition(":")[0]
    try:
        address = ip_address(word)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

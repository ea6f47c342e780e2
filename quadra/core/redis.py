"""Clients of Redis, made in one place: by URL, over TLS, or by asking Sentinels for the master.

A client of this module never tries again by itself and never waits long: whoever uses it has something better to do
while Redis is away (drop, count in memory, look into the database).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from quadra.core.setting_types import sentinel_address
from quadra.core.settings import Settings

CONNECT_SECONDS = 1.0


def make_pool(settings: Settings, *, seconds: float) -> redis.ConnectionPool:
    """Connections that wait `seconds` for an answer. Connects to nothing yet. Raises `ValueError` for a URL that is none."""
    # everything is text to us; a name tells an operator who looks at CLIENT LIST
    common: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": min(seconds, CONNECT_SECONDS),
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "quadra",
        "max_connections": settings.redis_max_connections,
    }
    tls: dict[str, Any] = {"ssl_ca_certs": str(settings.redis_ssl_ca)} if settings.redis_ssl_ca else {}
    if not settings.redis_use_sentinel:
        return redis.ConnectionPool.from_url(
            settings.redis_url, **common, **(tls if settings.redis_url.startswith("rediss:") else {})
        )
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        [sentinel_address(word) for word in settings.redis_sentinel_hosts],
        sentinel_kwargs={
            "socket_timeout": CONNECT_SECONDS,
            "socket_connect_timeout": CONNECT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "password": settings.redis_sentinel_password or None,
            **({"ssl": True, **tls} if settings.redis_ssl else {}),
        },
    )
    return SentinelConnectionPool(  # type: ignore[no-untyped-call]
        settings.redis_sentinel_master,
        sentinels,
        username=settings.redis_username or None,
        password=settings.redis_password or None,
        db=settings.redis_db,
        **common,
        **({"ssl": True, **tls} if settings.redis_ssl else {}),
    )


def make_client(settings: Settings, *, seconds: float) -> redis.Redis:
    """A client with a pool of its own."""
    return redis.Redis(connection_pool=make_pool(settings, seconds=seconds))


def database_number(settings: Settings) -> int:
    """Published messages know no databases, so our channels carry the number: two Quadras may share a Redis."""
    if settings.redis_use_sentinel:
        return settings.redis_db
    parts = urlsplit(settings.redis_url)
    number = (parse_qs(parts.query).get("db") or [parts.path.strip("/") if parts.scheme != "unix" else ""])[0]
    return int(number) if number.isdecimal() else 0


def limits_storage(settings: Settings) -> tuple[str, dict[str, Any]]:
    """(URI, options) for the library that counts limits."""
    if not settings.redis_configured:
        return "memory://", {}
    pool = make_pool(settings, seconds=1)
    return "redis://", {"connection_pool": pool, "wrap_exceptions": True}

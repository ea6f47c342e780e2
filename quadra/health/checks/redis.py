"""Redis, where it is configured: it answers, messages between processes arrive, and limits are counted in it.

Quadra does its main job without it, so none of this is worse than degraded.
"""

from __future__ import annotations

import time

from redis import RedisError

from quadra.core.bus import SILENT_SECONDS
from quadra.core.redis import make_client
from quadra.health.context import CheckContext
from quadra.health.verdict import DEGRADED, HEALTHY, Found, check, degraded, graded, healthy, unhealthy

PING_SECONDS = 2.0


@check("live", worst=DEGRADED)
def redis(context: CheckContext) -> Found | None:
    """A ping on a connection that is there already: opening one is not what a message waits for."""
    settings = context.runtime.settings
    if not settings.redis_configured:
        return None
    try:
        with make_client(settings, seconds=PING_SECONDS) as client:
            client.ping()
            began = time.monotonic()
            client.ping()
    except (RedisError, OSError) as error:
        return unhealthy(
            "Redis does not answer. Events are stored all the same; replicas see each other's events later, and each "
            "counts limits for itself.",
            reason=str(error)[:200],
        )
    ms = round((time.monotonic() - began) * 1000, 2)
    warn, fail = settings.health_redis_warn.total_seconds() * 1000, settings.health_redis_fail.total_seconds() * 1000
    status = graded(ms, warn, fail)
    said = {HEALTHY: "It answers", DEGRADED: "It answers slowly"}.get(status, "It answers much too slowly")
    return Found(status, f"{said}: {ms:g} ms.", {"latency_ms": ms})


@check("live", worst=DEGRADED)
def message_queue(context: CheckContext) -> Found | None:
    """How long ago a message of our own came back through the queue."""
    bus = context.runtime.bus
    if not bus.configured or context.role == "command":  # a command joins no queue
        return None
    age = round(bus.age_seconds, 2)
    details = {"subscription_age_seconds": age, "peers": bus.peers(), "dropped_messages": bus.dropped}
    if bus.alive and age < SILENT_SECONDS:
        return healthy(f"Our own heartbeat came back {age:g} s ago.", **details)
    return unhealthy(
        f"Our own heartbeat has not come back for {age:.0f} s: live pages learn of other replicas' events from the "
        "database, a second later.",
        **details,
    )


@check("live", worst=DEGRADED)
def rate_limits(context: CheckContext) -> Found | None:
    """Where rate limits are counted."""
    if context.runtime.counted_in is None or not context.runtime.settings.rate_limit_enabled:
        return None
    where = context.runtime.counted_in()
    if where == "memory" and context.runtime.settings.redis_configured:
        return degraded(
            "Redis is away: this process counts limits in its own memory, so each replica allows the whole limit.",
            counted_in=where,
        )
    return healthy(f"Rate limits are counted in {'Redis' if where == 'redis' else 'memory'}.", counted_in=where)

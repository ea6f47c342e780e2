"""Sealed batches reach the systems that they are delivered to. Quadra works without: what waits is not lost."""

from __future__ import annotations

from quadra.health.context import CheckContext
from quadra.health.verdict import DEGRADED, Found, check, degraded, healthy
from quadra.sinks.registry import without_library
from quadra.sinks.state import sink_states


@check("deliveries", worst=DEGRADED)
def sinks(context: CheckContext) -> Found | None:
    settings = context.runtime.settings
    missing = without_library(settings)
    with context.runtime.database.read() as session:
        states = sink_states(session, settings)
    if not states and not missing:
        return None
    details = {one.name: {"state": one.state, "lag_seconds": one.lag_seconds} for one in states}
    if missing:
        return degraded(
            f"{missing[0].title} is configured and its library is not installed. {missing[0].advice}", **details
        )
    failing = [one for one in states if one.state == "failing"]
    if failing:
        first = failing[0]
        return degraded(f"{first.title} fails and is tried again; nothing is lost. {first.last_error}", **details)
    waiting = sum(one.pending_batches for one in states)
    return healthy(f"{len(states)} sinks, {waiting:,} batches wait.", **details)

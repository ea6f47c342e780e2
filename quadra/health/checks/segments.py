"""Every file of the history is there and is what the database says. Compared little by little, and again where one changes."""

from __future__ import annotations

from quadra.health.context import CheckContext
from quadra.health.verdict import Found, check, healthy, unhealthy
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import catalogue

COMPARE_SECONDS = 2.0
"""Of one look: what is not compared by then is compared at the next one."""


@check("analysis", seconds=10, keep_seconds=30)
def segments(context: CheckContext) -> Found:
    with context.runtime.database.read() as session:
        listed = catalogue.live(session)
    damaged, waiting = warehouse_of(context.runtime).soundness.look(listed, seconds=COMPARE_SECONDS)
    if damaged:  # one that was replaced since the list was read may be gone rightly
        with context.runtime.database.read() as session:
            still = {segment.path for segment in catalogue.live(session)}
        damaged = [error for error in damaged if error.path in still]
    details = {"segments": len(listed), "not_compared": waiting, "damaged": [error.path for error in damaged]}
    if damaged:
        more = f" {len(damaged) - 1} others are not sound either." if len(damaged) > 1 else ""
        return unhealthy(damaged[0].message + more, **details)
    compared = "all of them compared with their hashes" if not waiting else f"{waiting:,} of them not compared yet"
    return healthy(f"{len(listed):,} segments, {compared}.", **details)

"""Enqueues what is due for compaction, merging and eviction; removes files that are no longer read."""

from __future__ import annotations

from datetime import timedelta

from quadra.core.upkeep import Upkeep
from quadra.warehouse.segments.planning import plan
from quadra.warehouse.segments.sweeping import sweep

UPKEEP = (
    Upkeep("warehouse-plan", lambda settings: min(timedelta(seconds=15), settings.segment_age), plan),
    Upkeep("warehouse-sweep", lambda _: timedelta(minutes=10), sweep),
)

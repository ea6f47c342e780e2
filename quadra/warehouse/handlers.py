"""The job kinds of the warehouse. None is of a single batch: a file for every hundred events would be a poor file."""

from __future__ import annotations

from datetime import timedelta

from quadra.jobs.handlers import Handler
from quadra.warehouse.erasure.erasing import erase_person
from quadra.warehouse.erasure.jobs import ERASE, PRIORITY
from quadra.warehouse.segments.compaction import compact_project
from quadra.warehouse.segments.hot_rows import evict_project
from quadra.warehouse.segments.merging import merge_day

COMPACT, MERGE, COOL = "compact", "merge", "cool"

HANDLERS = {
    # after insights, for which people wait: questions are exact without it
    COMPACT: Handler(compact_project, timeout=timedelta(minutes=10), priority=20),
    MERGE: Handler(merge_day, timeout=timedelta(minutes=10), priority=30),
    COOL: Handler(evict_project, timeout=timedelta(minutes=10), priority=40),
    ERASE: Handler(erase_person, timeout=timedelta(minutes=10), priority=PRIORITY),
}

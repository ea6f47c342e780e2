"""Erase a person: their rows leave the event table and every segment that holds some is rewritten without them.

What was received until the request goes, under each of the person's ids; what they send afterwards is new. The request is
also kept in a file beside the segments: a restored database does not know of erasures that came after its backup.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import sqlalchemy as sa

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.jobs.errors import LeaseLost, Permanent
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure import rows as erasing_rows
from quadra.warehouse.erasure.erase_list import Entry, remember
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.publishing import StaleRead
from quadra.warehouse.tables import Erasure

logger = logging.getLogger(__name__)

WORK_SECONDS = 300.0
"""Of one attempt; then the job is put back and goes on from where it is."""


def erase_person(runtime: Runtime, lease: Lease) -> None:
    """The job: args `erasure_id`."""
    erasure = begin(runtime, lease)
    until = time.monotonic() + WORK_SECONDS
    settled_at = erasure.requested_at + runtime.settings.ingest_timeout
    while True:
        looked_at = clock.now()
        if not _pass(runtime, lease, erasure, until) and looked_at > settled_at:
            break
        # what was received before the request may still wait in a writer's queue; look again after that
        lease.lost.wait(max(0.0, (settled_at - clock.now()).total_seconds() + 0.01))
        if lease.lost.is_set():
            raise LeaseLost
    with runtime.database.begin() as session:
        lease.succeed(session)
        session.execute(sa.update(Erasure).where(Erasure.id == erasure.id).values(done_at=clock.now()))
    logger.info("warehouse.person.erased", extra={"project_id": erasure.project_id, "erasure_id": erasure.id})


def begin(runtime: Runtime, lease: Lease) -> Erasure:
    """The erasure with all ids of the person: noted before the first row goes, since the rows say which they are."""
    with runtime.database.read() as session:
        erasure = session.get(Erasure, str(lease.job.args.get("erasure_id")))
        slug = session.scalar(sa.select(Project.slug).where(Project.id == lease.job.project_id))
    if erasure is None or slug is None:
        raise Permanent("The erasure of this job is gone.")
    remember(
        runtime.settings, warehouse_of(runtime).store, Entry(slug, erasure.user_id, clock.to_us(erasure.requested_at))
    )
    ids = sorted({*erasure.ids, *_ids_of(runtime, erasure.project_id, erasure.user_id)})
    with runtime.database.begin() as session:
        lease.hold(session)
        session.execute(sa.update(Erasure).where(Erasure.id == erasure.id).values(ids=ids))
    erasure.ids = ids
    return erasure


def _ids_of(runtime: Runtime, project_id: int, user_id: str) -> Sequence[str]:
    known = warehouse_of(runtime).identity_map(project_id)
    people = dict(zip(*(column.to_pylist() for column in known.columns), strict=True))
    person = people.get(user_id, user_id)
    return [person, *(one for one, whose in people.items() if whose == person)]


def _pass(runtime: Runtime, lease: Lease, erasure: Erasure, until: float) -> int:
    """Take out what is there; how many rows. Hot rows first: what a compaction publishes later cannot hold them then."""
    gone = 0
    for step in (erasing_rows.erase_hot, erasing_rows.erase_from_segments):
        while True:
            try:
                rows = step(runtime, lease, erasure)
            except StaleRead:  # a merge was quicker; its new file is looked at in the next round
                rows = 1
            if time.monotonic() > until:
                raise Unavailable("There is more to erase; it goes on.", retry_after_seconds=1)
            if not rows:
                break
            gone += rows
    return gone

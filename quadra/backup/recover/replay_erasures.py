"""Nobody who was erased comes back by a restore: every list of erasures there is, of any backup, is repeated at once."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from quadra.analytics.forgetting import erase_person
from quadra.backup.stores.manifest import Damage
from quadra.backup.stores.packing import chunks
from quadra.backup.stores.stores import Kept, Stores
from quadra.backup.verify import key_for, parts_of
from quadra.core.errors import QuadraError, Unavailable
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease, postpone
from quadra.warehouse.erasure import erase_list as erasure_list
from quadra.warehouse.erasure.jobs import ERASE, enqueue_erasure
from quadra.warehouse.tables import Erasure

LEASE = timedelta(minutes=10)


def merge_erasures(settings: Settings, stores: Stores) -> list[str]:
    """Add what the lists of all backups know to the one of this machine; a newer backup knows of later erasures than the
    one that is restored. Says which lists could not be read.
    """
    path = erasure_list.path_of(settings)
    known = set(erasure_list.read(settings))
    path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    with path.open("ab") as file:
        for kept in stores.list():
            try:
                lines = _list_of(settings, stores, kept)
            except (QuadraError, OSError) as error:
                problems.append(f"The erasures in {kept.manifest.id} cannot be read: {error}")
                continue
            for entry in erasure_list.decoded(lines):
                if entry not in known:
                    file.write(erasure_list.line_of(entry))
                    known.add(entry)
    return problems


def _list_of(settings: Settings, stores: Stores, kept: Kept) -> list[bytes]:
    part = kept.manifest.part("erasures")
    if part is None:
        return []
    for store in kept.stores:
        try:
            with parts_of(Kept(kept.manifest, (store,), None), stores) as directory:
                return b"".join(chunks(directory / part.file, part, key_for(kept.manifest, settings))).splitlines()
        except Damage:
            if store is kept.stores[-1]:
                raise
    return []


def erase_again(runtime: Runtime) -> int:
    """Do every erasure there ever was, here and now; how many.

    What a broken segment holds up is left to the workers, and so is what rooms above this one keep, such as alerts: each
    erasure is enqueued once more, for a worker knows all rooms.
    """
    with runtime.database.begin() as session:
        count = erasure_list.replay(session, runtime)
    while True:
        with runtime.database.begin() as session:
            jobs = claim(session, worker="restore", kinds=[ERASE], limit=20, length=LEASE)
        if not jobs:
            break
        for job in jobs:
            try:
                erase_person(runtime, Lease(job, LEASE))
            except Unavailable as error:
                with runtime.database.begin() as session:
                    postpone(session, job, retry_in=timedelta(minutes=1), reason=error.message)
    with runtime.database.begin() as session:
        for erasure in session.scalars(sa.select(Erasure)):
            enqueue_erasure(session, erasure, max_attempts=runtime.settings.job_max_attempts)
    return count

"""The job kind `field`: each sealed batch is scored by what came before it, then learned. Both in one transaction.

Jobs of one project may run side by side in several workers: each holds the project's row while it scores and learns, so
that no batch is lost and none is learned twice. The events are read and counted before that, and so is the batch learned:
on SQLite whoever writes holds up every event that comes in. It is learned once more where the row has changed meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec import to_builtins
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.core.runtime import Runtime
from quadra.field import artifact, metrics, versions
from quadra.field.bodies import MovedCell
from quadra.field.cells import Field, Moved, Reading
from quadra.field.features import Counts, Sight, count
from quadra.field.tables import FieldReading, FieldState
from quadra.ingest.tables import Batch, Event
from quadra.jobs.errors import Permanent
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease

logger = logging.getLogger(__name__)

Tell = Callable[[Session, Batch, FieldReading], None]

FIELD = "field"
CELLS, SEED, DECAY = 256, 1, 0.98
"""Of a project that was never trained."""
KEEP = timedelta(days=30)
"""Readings that are kept; older ones are forgotten at each hundredth batch."""
FORGET_EVERY = 100
UNPACKED_MOST = 16


# made once, and asked of the bare connection: making statements took longer than the database needs for them
SIGHTS = (
    sa.select(
        Event.name,
        Event.page_url,
        sa.func.coalesce(Event.session_id, Event.user_id),
        sa.type_coerce(Event.occurred_at, sa.BigInteger),
    )
    .where(Event.batch_id == sa.bindparam("batch"))
    .order_by(Event.occurred_at, Event.event_id)
)
DATA = sa.select(FieldState.data).where(FieldState.project_id == sa.bindparam("project"))
HOLD = sa.select(FieldState).where(FieldState.project_id == sa.bindparam("project")).with_for_update()
IS_LEARNED = sa.select(FieldReading.batch_id).where(FieldReading.batch_id == sa.bindparam("batch"))
INSERT = sa.insert(FieldReading)


def learn_batch(runtime: Runtime, lease: Lease, *, tell: Tell | None = None) -> None:
    """`tell` is called with what was read of the batch, in the transaction that learns it."""
    began = time.monotonic()
    with runtime.database.snapshot() as session:
        batch = _batch(session, lease)
        counts = count(read_batch(session, batch.id))
    if not counts["type"]:
        return  # its events were erased
    project_id = batch.project_id
    known = make_state(runtime, project_id)
    kept = runtime.the(Unpacked)
    learned = _learn(kept, known, project_id, counts)
    with runtime.database.begin() as session:
        lease.succeed(session)
        if session.connection().scalar(IS_LEARNED, {"batch": batch.id}) is not None:
            return  # another look at the same batch
        state = hold_state(session, project_id)
        if state.data != known:  # another worker was faster, or a version was promoted
            learned = _learn(kept, state.data, project_id, counts)
        field, reading = learned.field, learned.reading
        state.data = learned.data
        state.iterations, state.loss, state.variance = field.iterations, reading.loss, reading.variance
        state.updated_at = clock.now()
        versions.note_drift(session, runtime.settings, state, field)
        values = _values(batch, state.version, reading)
        session.connection().execute(INSERT, values)
        if tell is not None:
            tell(session, batch, FieldReading(**values))
        if field.iterations % FORGET_EVERY == 0:
            forgotten = FieldReading.project_id == project_id, FieldReading.at < clock.now() - KEEP
            delete_free(session, FieldReading, sa.and_(*forgotten))
    kept.keep(learned.data, learned.field)
    metrics.learned(reading, seconds=time.monotonic() - began)
    logger.info(
        "field.batch.learned",
        extra={"batch_id": batch.id, "loss": round(reading.loss, 4), "novelty_z": round(reading.novelty_z, 2)},
    )


HANDLERS = {
    # before the analysis: it takes milliseconds, and says which batch is to be analysed first
    FIELD: Handler(learn_batch, timeout=timedelta(minutes=2), priority=-10, every_batch=True, backfill=False),
}


class Learned(NamedTuple):
    field: Field
    """After the batch."""
    data: str
    """The same, packed."""
    reading: Reading
    """What the field before it said of the batch."""


class Unpacked:
    """The fields that this process packed last, each under its packed text: the next batch goes on from one of them. Who
    takes one has it alone and may change it.
    """

    def __init__(self, _runtime: Runtime) -> None:
        self._fields: dict[str, Field] = {}

    def take(self, data: str) -> Field | None:
        return self._fields.pop(data, None)

    def keep(self, data: str, field: Field) -> None:
        self._fields[data] = field
        while len(self._fields) > UNPACKED_MOST:
            with suppress(KeyError, RuntimeError):  # another job took it, or keeps one, at this moment
                del self._fields[next(iter(self._fields))]


def _learn(kept: Unpacked, data: str, project_id: int, counts: Counts) -> Learned:
    field = kept.take(data) or artifact.unpack(data, f"the field of project {project_id}")
    came = field.came(counts)
    reading = field.score(came)
    field.learn(came, reading)
    return Learned(field, artifact.pack(field), reading)


def read_batch(session: Session, batch_id: str) -> Iterator[Sight]:
    """Its events in the order in which they occurred."""
    rows = session.connection().execute(SIGHTS, {"batch": batch_id}, execution_options={"yield_per": 2_000})
    return map(Sight._make, chain.from_iterable(rows.partitions()))  # row by row took twice as long


def make_state(runtime: Runtime, project_id: int) -> str:
    """The packed field of a project, whose row is made where there is none. Two workers may try: the second finds it."""
    with runtime.database.read() as session:
        data: str | None = session.connection().scalar(DATA, {"project": project_id})
    if data is not None:
        return data
    fresh = artifact.pack(Field(CELLS, SEED, DECAY))
    try:
        with runtime.database.begin() as session:
            session.add(FieldState(project_id=project_id, data=fresh))
    except IntegrityError:
        logger.debug("field.state.there", extra={"project_id": project_id})
    return fresh


def hold_state(session: Session, project_id: int) -> FieldState:
    """The row, which nobody else changes until `session` ends."""
    return session.scalars(HOLD, {"project": project_id}).one()


def moved_cell(moved: Moved) -> MovedCell:
    """As answers and readings show it."""
    return MovedCell(
        cell=moved.cell,
        family=moved.family,
        label=moved.label,
        share=round(moved.share, 6),
        usual=round(moved.usual, 6),
        z=round(moved.z, 3),
    )


def _batch(session: Session, lease: Lease) -> Batch:
    batch = session.get(Batch, lease.job.batch_id) if lease.job.batch_id else None
    if batch is None:
        raise Permanent("The batch of this job is gone.")
    if batch.status == "OPEN":
        raise Permanent(f"Batch {batch.id} is OPEN: it is learned once it is sealed.")
    return batch


def _values(batch: Batch, version: int, reading: Reading) -> dict[str, Any]:
    """Of a FieldReading."""
    return {
        "batch_id": batch.id,
        "project_id": batch.project_id,
        "events": batch.event_count,
        "version": version,
        "loss": reading.loss,
        "reward": reading.reward,
        "variance": reading.variance,
        "novelty_z": reading.novelty_z,
        "anomalous": reading.anomalous,
        "moved": to_builtins([moved_cell(one) for one in reading.moved]),
    }

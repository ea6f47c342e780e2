"""The job kind `field`: each sealed batch is scored by what came before it, then learned. Both in one transaction.

Jobs of one project may run side by side in several workers: each holds the project's row while it scores and learns, so
that no batch is lost and none is learned twice. The events are read and counted before that, and so is the batch learned:
on SQLite whoever writes holds up every event that comes in. It is learned once more where the row has changed meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.core.runtime import Runtime
from quadra.field import artifact, metrics, versions
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
    learned = _learn(known, project_id, counts)
    with runtime.database.begin() as session:
        lease.succeed(session)
        if session.get(FieldReading, batch.id) is not None:
            return  # another look at the same batch
        state = hold_state(session, project_id)
        if state.data != known:  # another worker was faster, or a version was promoted
            learned = _learn(state.data, project_id, counts)
        field, reading = learned.field, learned.reading
        state.data = learned.data
        state.iterations, state.loss, state.variance = field.iterations, reading.loss, reading.variance
        state.updated_at = clock.now()
        versions.note_drift(session, runtime.settings, state, field)
        row = _row(batch, state.version, reading)
        session.add(row)
        session.flush()
        if tell is not None:
            tell(session, batch, row)
        if field.iterations % FORGET_EVERY == 0:
            forgotten = FieldReading.project_id == project_id, FieldReading.at < clock.now() - KEEP
            delete_free(session, FieldReading, sa.and_(*forgotten))
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


def _learn(data: str, project_id: int, counts: Counts) -> Learned:
    field = artifact.unpack(data, f"the field of project {project_id}")
    came = field.came(counts)
    reading = field.score(came)
    field.learn(came, reading)
    return Learned(field, artifact.pack(field), reading)


def read_batch(session: Session, batch_id: str) -> Iterator[Sight]:
    """Its events in the order in which they occurred."""
    query = (
        sa.select(
            Event.name,
            Event.page_url,
            sa.func.coalesce(Event.session_id, Event.user_id),
            sa.type_coerce(Event.occurred_at, sa.BigInteger),
        )
        .where(Event.batch_id == batch_id)
        .order_by(Event.occurred_at, Event.event_id)
        .execution_options(yield_per=2_000)
    )
    return map(Sight._make, session.execute(query))


def make_state(runtime: Runtime, project_id: int) -> str:
    """The packed field of a project, whose row is made where there is none. Two workers may try: the second finds it."""
    query = sa.select(FieldState.data).where(FieldState.project_id == project_id)
    with runtime.database.read() as session:
        data = session.scalar(query)
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
    return session.scalars(sa.select(FieldState).where(FieldState.project_id == project_id).with_for_update()).one()


def moved_body(moved: Moved) -> dict[str, Any]:
    """A cell as answers and readings show it."""
    return {
        "cell": moved.cell,
        "family": moved.family,
        "label": moved.label,
        "share": round(moved.share, 6),
        "usual": round(moved.usual, 6),
        "z": round(moved.z, 3),
    }


def _batch(session: Session, lease: Lease) -> Batch:
    batch = session.get(Batch, lease.job.batch_id) if lease.job.batch_id else None
    if batch is None:
        raise Permanent("The batch of this job is gone.")
    if batch.status == "OPEN":
        raise Permanent(f"Batch {batch.id} is OPEN: it is learned once it is sealed.")
    return batch


def _row(batch: Batch, version: int, reading: Reading) -> FieldReading:
    return FieldReading(
        batch_id=batch.id,
        project_id=batch.project_id,
        events=batch.event_count,
        version=version,
        loss=reading.loss,
        reward=reading.reward,
        variance=reading.variance,
        novelty_z=reading.novelty_z,
        anomalous=reading.anomalous,
        moved=[moved_body(one) for one in reading.moved],
    )

"""The job kind `field`: each sealed batch is scored by what came before it, then learned. Both in one transaction.

Jobs of one project may run side by side in several workers: each holds the project's row while it scores and learns, so
that no batch is lost and none is learned twice. The events are read and counted before that, and so is the batch learned:
on SQLite whoever writes holds up every event that comes in. It is learned once more where the row has changed meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
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
from quadra.field.features import Counts, Sight, count, count_columns
from quadra.field.tables import FieldReading, FieldState
from quadra.ingest.tables import Batch, Event
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease, succeed_together
from quadra.warehouse.segments.sealed import BATCH_ROWS_MOST, SealedRows, sealed_batches

logger = logging.getLogger(__name__)

Tell = Callable[[Session, Batch, FieldReading, bool], None]
"""Called with what was read of a batch, in the transaction that learns it; and whether it is the last of its project there.
Of one that is anomalous or the last, the reading is stored by then, and so are those before it."""

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
        Event.batch_id,
        Event.name,
        Event.page_url,
        sa.func.coalesce(Event.session_id, Event.user_id),
        sa.type_coerce(Event.occurred_at, sa.BigInteger),
    )
    .where(Event.batch_id.in_(sa.bindparam("batches", expanding=True)))
    .order_by(Event.batch_id, Event.occurred_at, Event.event_id)
)
DATA = sa.select(FieldState.data).where(FieldState.project_id == sa.bindparam("project"))
HOLD = sa.select(FieldState).where(FieldState.project_id == sa.bindparam("project")).with_for_update()
LEARNED = sa.select(FieldReading.batch_id).where(FieldReading.batch_id.in_(sa.bindparam("batches", expanding=True)))
INSERT = sa.insert(FieldReading)


def learn_batch(runtime: Runtime, lease: Lease, *, tell: Tell | None = None) -> None:
    learn_batches(runtime, [lease], tell=tell)


def learn_batches(runtime: Runtime, leases: Sequence[Lease], *, tell: Tell | None = None) -> None:
    """Each batch by what came before it, in the order of their making."""
    began = time.monotonic()
    with runtime.database.snapshot() as session:
        batches = sealed_batches(session, leases)
        ids = [batch.id for batch in batches]
        counts = _count(session, runtime.the(SealedRows), batches)
        done = set(session.connection().scalars(LEARNED, {"batches": ids}))  # another look at the same batch
    # one whose events were erased is not learned
    projects = {
        project_id: [(batch, counts[batch.id]) for batch in mine if batch.id in counts]
        for project_id, mine in groupby(batches, key=lambda batch: batch.project_id)
    }
    known = {project_id: make_state(runtime, project_id) for project_id, mine in projects.items() if mine}
    kept = runtime.the(Unpacked)
    learned = {
        project_id: _learn(kept, known[project_id], project_id, done, projects[project_id]) for project_id in known
    }
    with runtime.database.begin() as session:
        succeed_together(session, leases)
        done_now = set(session.connection().scalars(LEARNED, {"batches": ids}))
        for project_id in sorted(learned):  # in one order: two workers that hold rows of the same projects wait
            state = hold_state(session, project_id)
            # another worker was faster, or a version was promoted
            if state.data != known[project_id] or done_now != done:
                learned[project_id] = _learn(kept, state.data, project_id, done_now, projects[project_id])
            if learned[project_id].read:
                _store(session, runtime, state, learned[project_id], tell)
    seconds = time.monotonic() - began
    for one in learned.values():
        kept.keep(one.data, one.field)
        for _, reading in one.read:
            metrics.learned(reading, seconds=seconds / len(leases))
        if one.read:  # one line for all of a turn: a line for each costs what storing a few events does
            batch, reading = one.read[-1]
            logger.info(
                "field.batch.learned",
                extra={
                    "batch_id": batch.id,
                    "batches": len(one.read),
                    "loss": round(reading.loss, 4),
                    "novelty_z": round(reading.novelty_z, 2),
                },
            )


def _store(session: Session, runtime: Runtime, state: FieldState, learned: Learned, tell: Tell | None) -> None:
    field, newest = learned.field, learned.read[-1][1]
    before = state.iterations
    state.data = learned.data
    state.iterations, state.loss, state.variance = field.iterations, newest.loss, newest.variance
    state.updated_at = clock.now()
    versions.note_drift(session, runtime.settings, state, field)
    waiting: list[dict[str, Any]] = []
    for batch, reading in learned.read:
        values = _values(batch, state.version, reading)
        waiting.append(values)
        if reading.anomalous or reading is newest:  # `tell` counts how many came since another
            session.connection().execute(INSERT, waiting)
            waiting = []
        if tell is not None:
            tell(session, batch, FieldReading(**values), reading is newest)
    if field.iterations // FORGET_EVERY > before // FORGET_EVERY:
        forgotten = FieldReading.project_id == state.project_id, FieldReading.at < clock.now() - KEEP
        delete_free(session, FieldReading, sa.and_(*forgotten))


HANDLERS = {
    # before the analysis: it takes milliseconds, and says which batch is to be analysed first
    FIELD: Handler(
        learn_batch, learn_batches, timeout=timedelta(minutes=2), priority=-10, every_batch=True, backfill=False
    ),
}


class Learned(NamedTuple):
    field: Field
    """After the batches."""
    data: str
    """The same, packed."""
    read: Sequence[tuple[Batch, Reading]]
    """What the field before each batch said of it."""


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


def _learn(
    kept: Unpacked, data: str, project_id: int, done: Collection[str], batches: Iterable[tuple[Batch, Counts]]
) -> Learned:
    """Those that are not `done`."""
    field = kept.take(data) or artifact.unpack(data, f"the field of project {project_id}")
    read: list[tuple[Batch, Reading]] = []
    for batch, counts in batches:
        if batch.id not in done:
            came = field.came(counts)
            reading = field.score(came)
            field.learn(came, reading)
            read.append((batch, reading))
    return Learned(field, artifact.pack(field) if read else data, read)


def _count(session: Session, sealed: SealedRows, batches: Sequence[Batch]) -> dict[str, Counts]:
    """What each batch that has events shows of them."""
    whole = sealed.each(session, [batch for batch in batches if batch.event_count <= BATCH_ROWS_MOST])
    counts: dict[str, Counts] = {batch_id: count_columns(*_in_order(rows)) for batch_id, rows in whole if rows.num_rows}
    if large := [batch.id for batch in batches if batch.event_count > BATCH_ROWS_MOST]:
        counts |= {batch_id: count(sights) for batch_id, sights in read_batches(session, large)}
    return counts


def _in_order(rows: pa.Table) -> Iterable[Sequence[Any]]:
    """The columns of `Sight`, in the order in which the events occurred."""
    who = pc.coalesce(rows["session_id"], rows["user_id"])
    columns = (rows["occurred_at"].cast(pa.int64()), rows["event_id"], rows["name"], rows["page_url"], who)
    occurred, _, names, page_urls, whos = zip(
        *sorted(zip(*(column.to_pylist() for column in columns), strict=True)), strict=True
    )
    return names, page_urls, whos, occurred


def read_batches(session: Session, ids: Sequence[str | None]) -> Iterator[tuple[str, Iterator[Sight]]]:
    """The events of each batch that has some, in the order in which they occurred."""
    found = session.connection().execute(SIGHTS, {"batches": ids}, execution_options={"yield_per": 2_000})
    rows = chain.from_iterable(found.partitions())  # row by row took twice as long
    for batch_id, mine in groupby(rows, key=itemgetter(0)):
        yield batch_id, (Sight._make(row[1:]) for row in mine)


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

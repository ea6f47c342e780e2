"""Make parcels: the events of some batches, from the database or from segments, in the order that sinks promise.

Whoever asked to be erased is in none, even before their erasure was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.analytics.export import as_json
from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch
from quadra.sinks.sink import Parcel
from quadra.warehouse.columns import NAMES, schema
from quadra.warehouse.query.duck import arrow
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.rows import read_batches
from quadra.warehouse.tables import Erasure

ORDER = ("received_at", "occurred_at", "event_id")
FROM_SEGMENTS = f"SELECT {', '.join(NAMES)} FROM events WHERE list_contains($batches, batch_id)"


def read_parcel(runtime: Runtime, project: Project, batches: Sequence[Batch]) -> Parcel:
    """Raises `Unavailable`."""
    sizes = {batch.id: batch.event_count for batch in batches}
    with runtime.database.snapshot() as session:
        # asked again in this snapshot: rows may have left the database since the queue was read
        gone = sa.and_(Batch.id.in_(sizes), Batch.cold_at.is_not(None))
        cold = list(session.scalars(sa.select(Batch.id).where(gone)))
        hot = read_batches(session, [(one, count) for one, count in sizes.items() if one not in cold])
        erased = _erased(session, project.id)
    found = [hot]
    if cold:
        with warehouse_of(runtime).look(project.id, export=True) as look:
            found.append(look.query(FROM_SEGMENTS, {"batches": cold}).table.select(NAMES).cast(schema()))
    events = pa.concat_tables(found).sort_by([(name, "ascending") for name in ORDER])
    for ids, until_us in erased:
        theirs = pc.and_(
            pc.is_in(events["user_id"], value_set=pa.array(ids, pa.string())),
            pc.less_equal(events["received_at"].cast(pa.int64()), until_us),
        )
        events = events.filter(pc.invert(pc.fill_null(theirs, False)))
    with closing(warehouse_of(runtime).cursor()) as cursor:
        cursor.register("parcel", events)
        lines = arrow(cursor, f"SELECT {as_json()} AS line FROM parcel ORDER BY {', '.join(ORDER)}")["line"].to_pylist()
    return Parcel(project.slug, events, lines, tuple(sizes))


def _erased(session: Session, project_id: int) -> list[tuple[list[str], int]]:
    """(ids, until when received) of the erasures that are not done yet."""
    waiting = sa.and_(Erasure.project_id == project_id, Erasure.done_at.is_(None))
    found = session.execute(sa.select(Erasure.ids, Erasure.requested_at).where(waiting))
    return [(list(ids), clock.to_us(at)) for ids, at in found]

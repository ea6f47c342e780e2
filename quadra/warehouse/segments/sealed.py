"""The rows of sealed batches that this process read, kept until they are compacted: analysis, field and compaction want the
same ones within seconds, and reading them takes longer than what is done with them.

A sealed batch only ever loses rows, to an erasure, which lowers its count in the same transaction. The count is part of what
rows are kept under, and publishing compares it again: what was erased cannot come back out of here. A batch that was
compacted, here or by another worker, is read from the database again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch
from quadra.jobs.errors import Permanent
from quadra.jobs.lease import Lease
from quadra.warehouse.columns import schema
from quadra.warehouse.segments.rows import Key, portions, read_batches

KEPT_BYTES = 32 * 2**20
"""Some 100,000 events. The oldest go: another worker may compact them."""
BATCH_ROWS_MOST = 5_000
"""Of a batch that is asked for as a table. It may be set to hold millions; whoever wants those goes through them."""


class SealedRows:
    """One for each process. Safe on any thread."""

    def __init__(self, _runtime: Runtime) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, pa.Table] = OrderedDict()
        self._bytes = 0

    def each(self, session: Session, batches: Sequence[Batch]) -> Iterator[tuple[str, pa.Table]]:
        """The id of each batch and its rows, in no order. Those of few batches are in memory beside what is kept."""
        none = schema().empty_table()
        wanted = {batch.id for batch in batches if batch.segment_id is None}  # of others the rows may have left
        for some in portions((batch.id, batch.event_count) for batch in batches):
            found = self._kept_of(key for key in some if key[0] in wanted)
            read = by_batch(read_batches(session, [key for key in some if key[0] not in found]))
            self._keep({key: read[key[0]] for key in some if key[0] in wanted and key[0] in read})
            for batch_id, _ in some:
                yield batch_id, found.get(batch_id, read.get(batch_id, none))

    def table(self, session: Session, batches: Sequence[Key]) -> pa.Table:
        """The rows of all of them, which no compaction has taken. What is not here is read and not kept: nobody asks for it
        again."""
        kept = self._kept_of(batches)
        rest = read_batches(session, [key for key in batches if key[0] not in kept])
        return pa.concat_tables([*kept.values(), rest]).combine_chunks()

    def first(self, session: Session, batches: Sequence[Key], most_bytes: int) -> tuple[list[Key], pa.Table]:
        """The first of them, until their rows take that much, and these rows, as `table` has them."""
        taken: list[Key] = []
        found: list[pa.Table] = []
        for some in portions(batches):
            found.append(self.table(session, some))
            taken += some
            if sum(table.nbytes for table in found) >= most_bytes:
                break
        return taken, pa.concat_tables([schema().empty_table(), *found]).combine_chunks()

    def _kept_of(self, batches: Iterable[Key]) -> dict[str, pa.Table]:
        with self._lock:
            return {key[0]: self._kept[key] for key in batches if key in self._kept}

    def forget(self, batches: Iterable[Key]) -> None:
        with self._lock:
            for key in batches:
                if key in self._kept:
                    self._bytes -= self._kept.pop(key).nbytes

    def _keep(self, rows: Mapping[Key, pa.Table]) -> None:
        with self._lock:
            for key, table in rows.items():
                if key not in self._kept and table.num_rows == key[1]:
                    self._kept[key] = table
                    self._bytes += table.nbytes
            while self._bytes > KEPT_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes


def by_batch(table: pa.Table) -> dict[str, pa.Table]:
    """Batch id -> its rows."""
    if not table.num_rows:
        return {}
    coded = table["batch_id"].combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy()
    if (np.diff(codes) < 0).any():  # several writers: most lie together as they were written
        table = table.take(pa.array(np.argsort(codes, kind="stable")))
        codes = np.sort(codes)
    ends = [*np.flatnonzero(np.diff(codes)) + 1, len(codes)]
    starts = [0, *ends[:-1]]
    names = coded.dictionary.to_pylist()
    return {names[codes[start]]: table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)}


BATCHES = sa.select(Batch).where(Batch.id.in_(sa.bindparam("batches", expanding=True)))


def sealed_batches(session: Session, leases: Sequence[Lease]) -> list[Batch]:
    """The batches that these jobs are about, by project, in the order of their making. Raises `Permanent`."""
    found = session.scalars(BATCHES, {"batches": [lease.job.batch_id for lease in leases]}).all()
    if len(found) < len(leases):
        raise Permanent("The batch of this job is gone.")
    for batch in found:
        if batch.status == "OPEN":
            raise Permanent(f"Batch {batch.id} is OPEN: jobs work on it once it is sealed.")
    return sorted(found, key=lambda batch: (batch.project_id, batch.id))

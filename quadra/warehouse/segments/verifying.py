"""Read segments back: the same bytes, the same rows, every value of them readable. Damage is named, never repaired here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import duckdb
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.jobs.errors import Permanent
from quadra.warehouse.query.duck import rows
from quadra.warehouse.query.engine import Warehouse, warehouse_of
from quadra.warehouse.segments.writing import FINGERPRINT, files
from quadra.warehouse.tables import LIVE, Segment


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a segment."""

    path: str
    what: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"Segment {self.path} is damaged: {self.what} is {self.actual}, should be {self.expected}."


class Damaged(Permanent):
    """A segment is damaged; restore it from a backup."""

    code = "segment_damaged"


def live_segments(session: Session, project_id: int | None = None) -> list[Segment]:
    query = sa.select(Segment).where(Segment.state == LIVE).order_by(Segment.project_id, Segment.day, Segment.id)
    return list(session.scalars(query if project_id is None else query.where(Segment.project_id == project_id)))


def find_damage(warehouse: Warehouse, segment: Segment, *, decode: bool = True) -> Damage | None:
    """The first thing that is wrong with a segment's file. Without `decode` its bytes are compared and no more."""
    try:
        size, digest = warehouse.store.digest(segment.path)
    except OSError as error:
        return Damage(segment.path, "the file", "there", error.strerror or "not readable")
    if size != segment.bytes:
        return Damage(segment.path, "its size", f"{segment.bytes} bytes", f"{size} bytes")
    if digest != segment.sha256:
        return Damage(segment.path, "its sha256", segment.sha256, digest)
    return _find_undecodable(warehouse, segment) if decode else None


def _find_undecodable(warehouse: Warehouse, segment: Segment) -> Damage | None:
    source = files([warehouse.store.local(segment.path)])
    with closing(warehouse.cursor()) as cursor:
        try:
            ((count, _hash),) = rows(cursor, f"SELECT {FINGERPRINT} FROM {source}")
        except duckdb.Error as error:
            return Damage(segment.path, "its content", "readable", str(error).splitlines()[0])
    return None if count == segment.rows else Damage(segment.path, "its row count", str(segment.rows), str(count))


def require_sound(warehouse: Warehouse, segments: list[Segment]) -> None:
    """Raises `Damaged`: bad bytes must not be copied into a new file, and nothing may be deleted that only they hold."""
    for segment in segments:
        damage = find_damage(warehouse, segment, decode=False)
        if damage is not None:
            raise Damaged(str(damage))


def verify(
    runtime: Runtime,
    project_id: int | None = None,
    *,
    on_segment: Callable[[Segment, Damage | None], None] | None = None,
) -> list[Damage]:
    """Check every segment that questions read, and note of each sound one that it was."""
    with runtime.database.read() as session:
        segments = live_segments(session, project_id)
    damaged: list[Damage] = []
    for segment in segments:
        damage = find_damage(warehouse_of(runtime), segment)
        if damage is None:
            with runtime.database.begin() as session:
                session.execute(sa.update(Segment).where(Segment.id == segment.id).values(verified_at=clock.now()))
        elif _still_live(runtime, segment):  # otherwise it was replaced and its file removed during the read
            damaged.append(damage)
        if on_segment is not None:
            on_segment(segment, damage)
    return damaged


def _still_live(runtime: Runtime, segment: Segment) -> bool:
    with runtime.database.read() as session:
        return session.scalar(sa.select(Segment.state).where(Segment.id == segment.id)) == LIVE

"""What a sink is: it takes parcels, and says which events it refuses for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events of one project in the order of their receipt, ties by occurrence, then by id."""

    project: str
    """Its slug."""
    events: pa.Table
    """The columns of `warehouse.columns.schema`."""
    lines: Sequence[str]
    """Each of them as the JSON of the export."""
    batch_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that the other side will never take."""

    event_id: str
    batch_id: str
    reason: str


class Sink(Protocol):
    """Made in a worker when there is something to deliver, used by one thread at a time, closed after every failure."""

    def send(self, parcel: Parcel) -> list[Refused]:
        """Deliver all of it; when this returns the other side has it, but for what is refused. A repeat must be recognisable
        there. Whatever is raised counts as a failure, and the whole parcel is sent again."""

    def close(self) -> None: ...

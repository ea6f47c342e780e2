"""A folder: one file of NDJSON for each parcel. The smallest sink, and the one to copy."""

from __future__ import annotations

from quadra.core.durable import write_whole
from quadra.core.settings import Settings
from quadra.sinks.sink import Parcel, Refused


class FolderSink:
    def __init__(self, settings: Settings):
        """`folder:///srv/parcels`, or `folder://parcels` inside of the data folder."""
        self._folder = settings.data_dir / settings.sink_address("folder").removeprefix("folder://")
        self._folder.mkdir(parents=True, exist_ok=True)

    def send(self, parcel: Parcel) -> list[Refused]:
        """Named after its first batch: the same parcel again is the same file."""
        lines = "".join(f"{line}\n" for line in parcel.lines)
        write_whole(self._folder / f"{parcel.project}-{parcel.batch_ids[0]}.ndjson", lines.encode())
        return []

    def close(self) -> None:
        """Nothing is open."""

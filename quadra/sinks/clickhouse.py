"""ClickHouse: one insert a batch, with the batch's id as its deduplication token."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from quadra.core.settings import Settings
from quadra.sinks.sink import Parcel, Refused
from quadra.warehouse.clickhouse.server import connect, create_table, insert


class ClickHouseSink:
    def __init__(self, settings: Settings):
        self._client = connect(settings.clickhouse_url)
        create_table(self._client)

    def send(self, parcel: Parcel) -> list[Refused]:
        """ClickHouse takes every value that the log holds: nothing is refused."""
        for batch_id in parcel.batch_ids:
            rows: pa.Table = parcel.events.filter(pc.equal(parcel.events["batch_id"], batch_id))
            if rows.num_rows:
                insert(self._client, parcel.project, rows, batch_id)
        return []

    def close(self) -> None:
        self._client.close()

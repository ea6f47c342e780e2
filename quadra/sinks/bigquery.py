"""BigQuery: rows by `insertAll`, each with its event's id, into four tables that are partitioned by day.

Rows that BigQuery calls invalid are quarantined, and the rest of their request is sent again without them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import ClientError, Conflict
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from quadra.core.errors import Unavailable
from quadra.core.settings import Settings
from quadra.sinks.bigquery_rows import TABLES, Row, rows_of
from quadra.sinks.sink import Parcel, Refused

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 20.0
ID_BYTES = 128
"""Of an insert id; a longer event id is sent without one, and its repeats are told by the column `event_id`."""
POISON = "invalid"
NO_PROJECT = "quadra"
"""Named to a test server, where neither settings nor credentials name one."""


class BigQuerySink:
    def __init__(self, settings: Settings):
        self._rows_at_once = settings.bigquery_batch_rows
        if settings.bigquery_endpoint:
            self._client = bigquery.Client(
                project=settings.bigquery_project or NO_PROJECT,
                credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
                client_options=ClientOptions(api_endpoint=settings.bigquery_endpoint),
            )
        else:
            self._client = bigquery.Client(project=settings.bigquery_project or None)
        self._dataset = bigquery.DatasetReference(self._client.project, settings.bigquery_dataset)
        for name in TABLES:
            self._create(name)

    def send(self, parcel: Parcel) -> list[Refused]:
        waiting: dict[str, list[tuple[str, str, Row]]] = defaultdict(list)
        for event in parcel.events.to_pylist():
            for table, row in rows_of(parcel.project, event):
                waiting[table].append((event["event_id"], event["batch_id"], row))
        refused: dict[str, Refused] = {}
        for table, rows in waiting.items():
            for start in range(0, len(rows), self._rows_at_once):
                for one in self._insert(table, rows[start : start + self._rows_at_once]):
                    refused.setdefault(one.event_id, one)
        return list(refused.values())

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def _insert(self, table: str, rows: list[tuple[str, str, Row]]) -> list[Refused]:
        refused: list[Refused] = []
        while rows:
            errors = self._client.insert_rows_json(
                self._dataset.table(table),
                [row for _event_id, _batch_id, row in rows],
                row_ids=[event_id if len(event_id.encode()) <= ID_BYTES else None for event_id, _, _ in rows],
                retry=None,  # type: ignore[arg-type]  # the queue tries again, and says so
                timeout=ANSWER_SECONDS,
            )
            poison = {error["index"]: why for error in errors if (why := _why(error["errors"]))}
            if errors and not poison:
                raise Unavailable(f"BigQuery took no row of {table}: {errors[0]['errors']}")
            for at, why in poison.items():
                refused.append(Refused(rows[at][0], rows[at][1], f"{table}: {why}"))
            if len(errors) == len(poison):  # the others were stored
                return refused
            rows = [row for at, row in enumerate(rows) if at not in poison]
        return refused

    def _create(self, name: str) -> None:
        day, columns = TABLES[name]
        table = bigquery.Table(self._dataset.table(name), [bigquery.SchemaField(*column) for column in columns])
        table.time_partitioning = bigquery.TimePartitioning(bigquery.TimePartitioningType.DAY, field=day)
        try:
            self._client.create_table(table, retry=None, timeout=ANSWER_SECONDS)  # type: ignore[arg-type]
        except Conflict:
            return
        except ClientError as error:
            # whoever may insert need not be allowed to create: the first insert says whether the table is there
            logger.warning("sinks.bigquery.table_not_created", extra={"table": name, "reason": str(error)})


def _why(errors: Sequence[Any]) -> str:
    """What is wrong with a row itself; empty where nothing is."""
    own = [error for error in errors if error.get("reason") == POISON]
    return "; ".join(f"{error.get('location') or ''} {error.get('message') or ''}".strip() for error in own) or (
        POISON if own else ""
    )

"""What a damaged file still gives, where it was written before a column existed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from quadra.backup.recover.salvage import _rows
from quadra.ingest.columns import COLUMNS


def test_a_column_that_the_file_does_not_have_is_empty_and_not_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "quadra.db"
    older = [column.name for column in COLUMNS if column.name not in ("page_title", "value")]
    row = dict.fromkeys(older) | {
        "project_id": 1,
        "event_id": "e",
        "kind": "page",
        "name": "page_view",
        "event_type": "page_view",
        "occurred_at": 5,
        "received_at": 6,
        "bot": 1,
        "properties": '{"a":1}',
    }
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"CREATE TABLE event (batch_id, {', '.join(older)})")
        made.execute(f"INSERT INTO event ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        for torn in ('{"a":', 7):
            made.execute("INSERT INTO event SELECT * FROM event LIMIT 1")
            made.execute("UPDATE event SET properties = ? WHERE rowid = (SELECT max(rowid) FROM event)", (torn,))
        made.commit()
    found = list(_rows(path))
    assert [(one.event_id, one.page_title, one.value, one.bot) for one in found] == [("e", None, None, True)] * 2
    assert [bytes(one.properties or b"") for one in found] == [b'{"a":1}'] * 2

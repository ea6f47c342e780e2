"""What cells are, when rows happened, and files that are still being written."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quadra.core.errors import Invalid
from quadra.ingest.importers import formats
from quadra.ingest.importers.access_log_events import Visitors
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Item, Reading
from quadra.ingest.importers.run import Result, run
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
from quadra.ingest.wire import Refused

NOW = Times(or_now=True)


def read(path: Path, times: Times = NOW, *, complete: bool = False) -> tuple[list[Item], Result, int | None]:
    """(the items, what a dry run of them says, the line that waits)"""
    with closing(Source(str(path), complete=complete)) as source, closing(Ids("secret")) as ids:
        items = list(formats.read(source, "auto", Reading(Visitors("secret"), times))[1])
        result = Result()
        run(items, project_id=1, ids=ids, log=None, result=result)
        return items, result, source.unfinished


def fields(item: Item) -> dict[str, Any]:
    assert not isinstance(item.fields, Refused)
    return item.fields


def column(tmp_path: Path, *cells: str, name: str = "x") -> list[Any]:
    path = tmp_path / "a.csv"
    path.write_text(f"event,{name}\n" + "".join(f'e,"{cell}"\n' for cell in cells))
    return [fields(item).get("properties", fields(item)).get(name) for item in read(path)[0]]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-20", "0"], [1, -20, 0]),
        (["19.90", "5", "0.50"], [19.9, 5, 0.5]),
        (["true", "FALSE"], [True, False]),
        (["NO", "SE"], None),
        (["no", "yes"], None),
        (["12E5", "13"], None),
        (["1e5"], None),
        (["007", "8"], None),
        (["-0"], None),
        (["1.9", "1.10"], None),
        (["1234567890123456"], None),
        (["0.12345678901234567"], None),
        (["inf", "1"], None),
        (["nan"], None),
        (["+49", "1"], None),
        ([".5", "5."], None),
        (["1,5", "2"], None),
        (["1 000"], None),
        (["1", "2", "n/a"], None),
        (["true", "false", "maybe"], None),
        (["1", "true"], None),
        (["1\u0661"], None),
    ],
)
def test_a_column_is_typed_as_a_whole_and_only_where_it_is_nothing_else(
    tmp_path: Path, cells: list[str], values: list[Any] | None
) -> None:
    found = column(tmp_path, *cells)
    assert found == (cells if values is None else values)
    assert [type(value) for value in found] == [type(value) for value in (cells if values is None else values)]


def test_cells_of_our_own_fields_are_what_the_field_is(tmp_path: Path) -> None:
    assert column(tmp_path, "yes", "NO", "1", "f", name="success") == [True, False, True, False]
    assert column(tmp_path, "12E5", "007", name="value") == [1_200_000.0, 7]
    assert column(tmp_path, "NO", "12E5", "007", name="user_id") == ["NO", "12E5", "007"]
    path = tmp_path / "a.csv"
    path.write_text("event,value\ne,inf\ne,nan\n")
    assert [why.partition(":")[0] for _, why, _ in read(path)[1].refusals] == ["value", "value"]


def test_a_column_is_decided_also_for_a_pipe_and_a_packed_file(tmp_path: Path) -> None:
    text = "event,code\n" + "e,12\n" * 20_000 + "e,NO\n"
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert {fields(item)["properties"]["code"] for item in read(path)[0]} == {"12", "NO"}
    code = """
import json, sys
from quadra.ingest.importers import formats
from quadra.ingest.importers.items import Reading
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
items = formats.read(Source("-"), "csv", Reading(None, Times(or_now=True)))[1]
print(json.dumps(sorted({item.fields["properties"]["code"] for item in items})))
"""
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["12", "NO"]


@pytest.mark.parametrize("header", ["timestamp", "Time", "Created At", "occurredAt", "date", "$timestamp"])
def test_a_time_is_known_by_its_usual_names(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"event,{header}\ne,2024-03-01T10:00:00Z\n")
    assert fields(read(path, Times())[0][0])["timestamp"] == "2024-03-01T10:00:00Z"


def test_rows_without_a_time_that_is_known_are_never_dated_now_in_silence(tmp_path: Path) -> None:
    table, lines, packed = tmp_path / "a.csv", tmp_path / "a.ndjson", tmp_path / "a.parquet"
    table.write_text("event,when\ne,2024-03-01T10:00:00Z\n")
    pq.write_table(pa.table({"event_type": ["e"], "when": ["2024-03-01T10:00:00Z"]}), packed)
    for path in (table, packed):
        with pytest.raises(Invalid, match=r"says when.*--time-column"):
            read(path, Times())
        with pytest.raises(Invalid, match="is called whenever"):
            read(path, Times("whenever"))
    lines.write_text(
        '{"event_type":"e","when":"2024-03-01T10:00:00Z"}\n{"event_type":"e"}\n{"event_type":"e","time":" "}\n'
    )
    refused = read(lines, Times())[1]
    assert (refused.accepted, [why for _, why, _ in refused.refusals]) == (
        0,
        ["timestamp: required: see --time-column and --undated-now"] * 3,
    )
    for path in (table, lines, packed):
        items = read(path, Times("when"))[0]
        assert fields(items[0])["timestamp"] == "2024-03-01T10:00:00Z"
        assert "when" not in fields(items[0]).get("properties", {})
    assert read(lines, Times("when"))[1].refused == 2
    table.write_text("event,time\ne,\ne,2024-03-01T10:00:00Z\n")
    assert [line for line, _, _ in read(table, Times())[1].refusals] == [2]
    assert read(table, NOW)[1].accepted == 2


def test_a_row_of_an_export_without_its_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    row = {"event_id": "1", "batch_id": "b", "kind": "page", "received_at": "2024-03-01T10:00:00Z", "bot": "yes"}
    path.write_text(json.dumps(row) + "\n")
    (refusal,) = read(path)[1].refusals
    assert refusal[1] == "bot: must be true or false; occurred_at: required"


def test_what_events_tail_prints_is_the_same_events(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    row = {
        "event_id": "1",
        "batch_id": "b",
        "kind": "survey",
        "name": "asked",
        "event_type": "survey",
        "category": "c",
        "occurred_at": "2024-03-01T10:00:00Z",
        "received_at": "2024-03-02T10:00:00Z",
        "bot": True,
        "value": 7.0,
        "fields": {"survey_type": "nps"},
        "properties": None,
        "browser": "Firefox",
    }
    path.write_text(json.dumps(row) + "\n")
    (item,), result, _ = read(path)
    assert (result.accepted, result.bots, item.agent.browser) == (1, 1, "Firefox")
    assert fields(item) == {
        "event_id": "1",
        "kind": "survey",
        "event_name": "asked",
        "event_type": "survey",
        "event_category": "c",
        "timestamp": "2024-03-01T10:00:00Z",
        "survey_type": "nps",
        "score": 7.0,
    }


LINE = '203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "Mozilla/5.0 (X11)"'


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("a.log", LINE + "\n", LINE.replace("/a ", "/b ")),
        ("a.csv", "event,time,note\ne,2024-03-01T10:00:00Z,x\n", "e,2024-03-01T10:00:00Z,much longer"),
        ("b.csv", "event,time,note\ne,2024-03-01T10:00:00Z,x\n", 'e,2024-03-01T10:00:00Z,"two\nlines"'),
        ("a.ndjson", '{"event_type":"e","timestamp":1709290800000}\n', '{"event_type":"f","timestamp":1709290800000}'),
    ],
)
def test_a_line_that_is_still_being_written_waits_and_is_one_event_in_the_end(
    tmp_path: Path, name: str, first: str, last: str
) -> None:
    path = tmp_path / name
    path.write_text(first + last + "\n")
    whole = [item.identity for item in read(path)[0]]
    assert len(whole) == 2
    for cut in range(1, len(last)):
        path.write_text(first + last[:cut])
        items, result, waiting = read(path)
        assert [item.identity for item in items] == whole[:1]
        assert result.refused == 0
        assert waiting is not None
    path.write_text(first + last)
    assert [item.identity for item in read(path, complete=True)[0]] == whole
    assert read(path, complete=True)[2] is None


def test_an_object_that_ends_with_its_bracket_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"event_type":"e"}\n{"event_type":"f"}')
    items, _, waiting = read(path)
    assert (len(items), waiting) == (2, None)


def test_what_is_written_while_a_file_is_read_is_the_end_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINE[:-10])
    with closing(Source(str(path))) as source:
        source._stream = io.BufferedReader(Growing(path, LINE[-10:] + "\n"))  # type: ignore[type-var]
        assert [line.raw for line in source.lines()] == [LINE.encode()]
        assert source.unfinished is None


class Growing(io.RawIOBase):
    """A file to which somebody adds the rest of its line after its end was read once."""

    def __init__(self, path: Path, rest: str):
        self._pieces = [path.read_bytes(), b"", rest.encode()]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._pieces.pop(0) if self._pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)

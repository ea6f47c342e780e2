"""Segments that earlier releases wrote are asked every question: a column that came later is empty in them.

`segments/` holds one small file for each schema that was released, of events of all kinds on 2026-03-02. Whoever adds a column
adds a file that was written before it, and none is ever changed.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from quadra.accounts.tables import Project
from quadra.analytics.export import FORMATS, read
from quadra.analytics.export_stream import Pieces
from quadra.analytics.lens_list import LENSES
from quadra.core import clock
from quadra.core.api.raw_params import raw_params
from quadra.warehouse.columns import NAMES, NO_ROWS
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import writing
from quadra.warehouse.segments.complete import Columns
from quadra.warehouse.tables import Segment
from tests.analytics.conftest import Place
from tests.analytics.reference import Event

SEGMENTS = sorted((Path(__file__).parent / "segments").glob("*.parquet"))
RANGE = [("from", "2026-03-02"), ("to", "2026-03-03")]


def told(place: Place, path: Path) -> Project:
    """A project whose history is this file."""
    project, file = place.project(), pq.ParquetFile(path)
    name = f"{project.id}/2026-03/{path.name}"
    there = place.runtime.settings.data_dir / "segments" / name
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, there)
    times = file.read(["occurred_at", "received_at"]).to_pydict()
    with place.runtime.database.begin() as session:
        session.add(
            Segment(
                project_id=project.id,
                day=date(2026, 3, 2),
                path=name,
                rows=file.metadata.num_rows,
                bytes=path.stat().st_size,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                links=file.metadata.num_rows,
                min_occurred_at=min(times["occurred_at"]),
                max_occurred_at=max(times["occurred_at"]),
                min_received_at=min(times["received_at"]),
                max_received_at=max(times["received_at"]),
                verified_at=datetime.now(UTC),
            )
        )
    return project


@pytest.mark.parametrize("path", SEGMENTS, ids=lambda path: path.stem)
def test_every_lens_and_every_export_reads_them(place: Place, path: Path) -> None:
    project = told(place, path)
    answers = {
        lens.path: place.answer(
            lens, raw_params([*RANGE, *([("limit", "1000")] if lens.path == "user/events" else [])]), project
        )
        for lens in LENSES
        if not lens.in_body
    }
    assert len(answers) > 10
    rows = answers["user/events"]["events"]
    assert len(rows) == pq.read_metadata(path).num_rows
    for form in FORMATS:
        with closing(Pieces(place.runtime, read(raw_params([*RANGE, ("format", form)]), project))) as pieces:
            whole = b"".join(pieces)
        if form == "parquet":
            assert pq.read_table(io.BytesIO(whole)).num_rows == len(rows)
        else:
            assert all(row["event_id"].encode() in whole for row in rows)


@pytest.mark.parametrize("path", SEGMENTS, ids=lambda path: path.stem)
def test_one_question_reads_them_beside_files_that_have_every_column(place: Place, path: Path) -> None:
    project = told(place, path)
    place.append(project, [Event("new", clock.to_us(datetime(2026, 3, 2, 12, tzinfo=UTC)), "viewed", country="AT")])
    place.compact(project)
    sql = (
        "SELECT count(*), count(*) FILTER (country = 'AT'), count(DISTINCT person) FILTER (person = 'new') FROM events"
    )
    with warehouse_of(place.runtime).look(project.id) as look:
        assert look.query(sql).rows == [(pq.read_metadata(path).num_rows + 1, 1, 1)]
        paths = [file for _segment, file in look.files()]
        complete, older = Columns().split(look.cursor, paths)
    assert [Path(file).name for file in older] == [path.name]
    assert len(complete) == 1
    assert {*complete, *older} == {*paths}


@pytest.mark.parametrize("path", SEGMENTS, ids=lambda path: path.stem)
def test_a_column_that_comes_later_is_empty_and_typed_in_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = NO_ROWS.replace(" WHERE false", ", CAST(NULL AS DOUBLE) AS price WHERE false")
    monkeypatch.setattr(writing, "LATER", ("price",))
    monkeypatch.setattr(writing, "NO_ROWS", later)
    with duckdb.connect() as connection:
        columns = f"{', '.join(NAMES)}, person, price"
        found = connection.sql(f"SELECT {columns} FROM {writing.files([path])} WHERE kind = 'page'")
        assert found.types[-1] == "DOUBLE"
        prices = found.to_arrow_table()["price"]
        assert prices.null_count == len(prices) > 0
        empty = f"SELECT count(*) FROM {writing.files([path])} AS rows WHERE rows.price IS NULL"
        assert connection.sql(empty).fetchall() == [(pq.read_metadata(path).num_rows,)]

"""Files that are merged piece by piece: every row, in order, and a bound on memory whatever there is of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from quadra.warehouse.columns import ARROW_ORDER, LATER, NAMES, ORDER, schema
from quadra.warehouse.query.links import nobody
from quadra.warehouse.segments import pieces
from quadra.warehouse.segments.pieces import of_files, written_schema

FILES, ROWS = 4, 25_000
GIVEN = {
    "event_id": f"'e' || (i * {FILES} + number)",
    "user_id": "CASE WHEN hash(i) % 4 = 0 THEN NULL ELSE 'u' || (hash(i) % 500) END",
    "occurred_at": "to_timestamp(1700000000 + i)",
    "received_at": "to_timestamp(1700000000)",
    "properties": "repeat('x', 400) || hash(i, number)",
}
TYPES = {pa.bool_(): "BOOLEAN", pa.float64(): "DOUBLE", pa.string(): "VARCHAR"}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Some lack the columns that came later, as files of earlier releases do."""
    folder = tmp_path_factory.mktemp("files")
    found = [folder / f"{number}.parquet" for number in range(FILES)]
    with duckdb.connect() as cursor:
        for number, path in enumerate(found):
            columns = ", ".join(
                f"({GIVEN.get(field.name) or ('NULL' if field.nullable else repr('false'))})::"
                f"{TYPES.get(field.type, 'TIMESTAMPTZ')} AS {field.name}"
                for field in schema()
                if number % 2 or field.name not in LATER
            )
            source = f"SELECT {columns} FROM range({ROWS}) t(i), (SELECT {number} AS number)"
            cursor.execute(f"COPY (FROM ({source}) ORDER BY {ORDER}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return found


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    before = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counting)
    yield counting
    pa.set_memory_pool(before)


def test_merged_files_have_every_row_in_order_with_its_person(paths: list[Path]) -> None:
    people = pa.table({"id": ["u1", "u7"], "person": ["ada", "bob"]})
    found = pa.Table.from_batches(of_files(paths, people), written_schema())
    assert len(pc.unique(found["event_id"])) == len(found) == FILES * ROWS
    assert found.take(pc.sort_indices(found, sort_keys=ARROW_ORDER)).equals(found)
    users, persons = found["user_id"], found["person"]
    expected = {"u1": "ada", "u7": "bob"}
    assert all(
        expected.get(user, user) == person for user, person in zip(users.to_pylist(), persons.to_pylist(), strict=True)
    )
    read = pa.Table.from_batches(of_files(paths[1:2], people), written_schema())
    assert set(NAMES) < set(read.column_names)
    assert len(read) == ROWS


def test_a_source_out_of_order_loses_no_row(paths: list[Path], tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.parquet"
    duckdb.execute(
        f"COPY (FROM '{paths[1]}' ORDER BY hash(event_id)) TO '{mixed}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
    )
    found = pa.Table.from_batches(of_files([paths[3], mixed], nobody()), written_schema())
    assert len(pc.unique(found["event_id"])) == len(found) == 2 * ROWS


def test_merging_holds_a_few_row_groups_and_not_all_rows(
    paths: list[Path], pool: pa.MemoryPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "ROW_GROUP_BYTES", 2 * 2**20)
    monkeypatch.setattr(pieces, "HELD_BYTES", 2 * 2**20)
    size = sum(piece.nbytes for piece in of_files(paths, nobody()))
    assert size > 50 * 2**20
    assert pool.max_memory() < 45 * 2**20  # all at once takes 95

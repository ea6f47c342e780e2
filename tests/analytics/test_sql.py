"""The SQL box: what it answers, and that nothing but one SELECT over the project's own events gets anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import room as accounts
from quadra.accounts.keys import make_key
from quadra.accounts.projects import get_project
from quadra.accounts.setup import initialise
from quadra.analytics import room
from quadra.analytics.sql import child
from quadra.core.rooms import open_rooms
from quadra.core.runtime import Runtime
from quadra.core.web import http
from quadra.warehouse.query.engine import warehouse_of
from tests.warehouse.conftest import compact_all, event, installation, store

OTHERS = "secret-of-the-blog"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """Two projects, each with a segment and with rows that are in none."""
    directory = tmp_path_factory.mktemp("sql")
    with installation(f"sqlite:///{directory / 'quadra.db'}", directory, query_timeout="20s") as found:
        with found.database.begin() as session:
            initialise(session, settings=found.settings)
        for project, name in ((1, "click"), (2, OTHERS)):
            at = 100 * project
            store(found, [event(at + n, project_id=project, name=name, days_ago=1) for n in range(20)])
            compact_all(found, project)
            store(found, [event(at + 50 + n, project_id=project, name=name) for n in range(5)])
        yield found


def segments(runtime: Runtime, project: int) -> list[Path]:
    root = runtime.settings.data_dir / "segments"
    return [path for path in root.rglob("*.parquet") if path.relative_to(root).parts[0] == str(project)]


@pytest.fixture(scope="module")
def connection(runtime: Runtime) -> Iterator[duckdb.DuckDBPyConnection]:
    """As the child has it, in this process."""
    with warehouse_of(runtime).look(1) as look:
        view, tables, paths = look.relation("person")
    told = {"view": view, "paths": paths, "threads": 1, "memory_mb": 200}
    with closing(child.connect(told, tables)) as found:
        yield found


HOSTILE = [
    "",
    "   ;  ",
    "nonsense",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW events",
    "INSERT INTO events VALUES (1)",
    "DELETE FROM events",
    "UPDATE events SET kind = 'x'",
    "CREATE TABLE mine AS SELECT * FROM events",
    "CREATE OR REPLACE VIEW events AS SELECT 1",
    "DROP VIEW events",
    "ALTER VIEW events RENAME TO others",
    "WITH x AS (INSERT INTO fresh VALUES (1) RETURNING *) FROM x",
    "WITH x AS (DELETE FROM fresh RETURNING *) FROM x",
    "WITH x AS (UPDATE fresh SET kind = 'x' RETURNING *) FROM x",
    "WITH x AS (COPY events TO '{out}') FROM x",
    "SELECT * FROM (WITH x AS (INSERT INTO fresh VALUES (1) RETURNING *) FROM x)",
    "COPY events TO '{out}'",
    "COPY (SELECT 1) TO '{own}'",
    "COPY fresh FROM '{others}'",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "ATTACH '{database}' AS main_database (TYPE sqlite)",
    "ATTACH '{out}'",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD '{out}'",
    "FORCE INSTALL httpfs FROM 'http://127.0.0.1:1/'",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET ALL",
    "PRAGMA database_list",
    "PRAGMA enable_profiling = 'json'",
    "CALL enable_logging(storage = 'file')",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "EXPLAIN ANALYZE SELECT 1",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "CREATE MACRO m() AS 1",
    "SELECT * FROM '{others}'",
    'SELECT * FROM "{others}"',
    "SELECT * FROM read_parquet('{others}')",
    "SELECT * FROM parquet_scan(['{others}'])",
    "SELECT * FROM parquet_metadata('{others}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{database}')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_json_auto('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
    "SELECT * FROM read_duckdb('{database}')",
    "SELECT * FROM query('SELECT * FROM fresh')",
    "SELECT * FROM query_table('fresh')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM python_map_function(0, 0)",
    "SELECT * FROM pandas_scan(0)",
    "SELECT * FROM arrow_scan(0, 0, 0)",
    "SELECT * FROM enable_profiling(save_location = '{out}')",
    "SELECT * FROM enable_logging('x')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM register_external_resource('x')",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM fresh",
    "SELECT * FROM people",
    "SELECT * FROM temp.events",
    "SELECT (SELECT count(*) FROM fresh)",
    "SELECT * FROM events WHERE kind IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM events ORDER BY (SELECT count(*) FROM glob('/*'))",
    "FROM events SEMI JOIN read_parquet('{others}') USING (event_id)",
    "SELECT current_setting('allowed_paths')",
    "SELECT CURRENT_SETTING('temp_directory')",
    "SELECT write_log('x')",
    "SELECT getvariable('x')",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT $1",
    "/* SELECT */ COPY events TO '{out}' -- SELECT",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_a_hostile_statement_is_refused(
    connection: duckdb.DuckDBPyConnection, runtime: Runtime, tmp_path: Path, statement: str
) -> None:
    places = {
        "others": segments(runtime, 2)[0],
        "own": segments(runtime, 1)[0],
        "database": runtime.settings.data_dir.parent / "quadra.db",
        "out": tmp_path / "out",
    }
    before = {path: path.stat().st_size for path in (*segments(runtime, 1), *segments(runtime, 2))}
    told = child.ask(connection, statement.format(**places), 10)
    assert "error" in told, told
    assert OTHERS not in str(told)
    assert not (tmp_path / "out").exists()
    assert {path: path.stat().st_size for path in before} == before
    assert child.ask(connection, "SELECT count(*) FROM events", 1).get("rows") == [[25]]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_parquet('{others}')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('{database}')",
        "COPY events TO '{out}'",
        "ATTACH '{out}'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET memory_limit = '100GB'",
    ],
)
def test_the_engine_is_shut_even_without_the_gate(
    connection: duckdb.DuckDBPyConnection, runtime: Runtime, tmp_path: Path, statement: str
) -> None:
    database = runtime.settings.data_dir.parent / "quadra.db"
    with pytest.raises(duckdb.Error):
        connection.execute(
            statement.format(others=segments(runtime, 2)[0], database=database, out=tmp_path / "out")
        ).fetchall()


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT kind, count(*) FROM events GROUP BY 1;", [["event", 25]]),
        ("with x as (from events) select count(*) from X", [[25]]),
        ("SELECT count(DISTINCT person) FROM events -- people", [[10]]),
        ("SELECT i FROM range(2) t(i) UNION ALL SELECT 7", [[0], [1], [7]]),
        (
            "SELECT 'COPY x TO y; DROP TABLE z', NULL, 1.5, 'inf'::DOUBLE",
            [["COPY x TO y; DROP TABLE z", None, 1.5, None]],
        ),
        (
            "SELECT 170141183460469231731687303715884105727, [1, 2]",
            [["170141183460469231731687303715884105727", "[1, 2]"]],
        ),
        ("FROM (PIVOT (SELECT kind, name FROM events) ON kind IN ('event') USING count(*))", [["click", 25]]),
    ],
)
def test_what_may_be_asked_is_answered(connection: duckdb.DuckDBPyConnection, statement: str, rows: list[Any]) -> None:
    assert child.ask(connection, statement, 10).get("rows") == rows


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> FlaskClient:
    app = Flask("test")
    app.extensions["quadra"] = runtime
    http.set_up(app)
    open_rooms(app, runtime, accounts, room)
    return app.test_client()


@pytest.fixture(scope="module")
def keys(runtime: Runtime) -> dict[str, dict[str, str]]:
    with runtime.database.begin() as session:
        project = get_project(session, "shop")
        made = {scope: make_key(session, project=project, scope=scope)[1] for scope in ("read", "admin")}
    return {scope: {"Authorization": f"Bearer {key}"} for scope, key in made.items()}


def test_a_statement_is_asked_in_a_process_of_its_own(client: FlaskClient, keys: dict[str, dict[str, str]]) -> None:
    path, sql = "/api/analytics/sql", "SELECT name, count(*) AS n, max(occurred_at) FROM events GROUP BY 1"
    assert client.post(path, json={"sql": sql}, headers=keys["read"]).status_code == 403
    found = client.post(path, json={"sql": sql}, headers=keys["admin"])
    assert found.status_code == 200, found.json
    assert [row[:2] for row in found.json["rows"]] == [["click", 25]]
    assert [column["name"] for column in found.json["columns"]] == ["name", "n", "max(occurred_at)"]
    short = client.post(path, json={"sql": "FROM range(100)", "limit": 3}, headers=keys["admin"]).json
    assert (len(short["rows"]), short["truncated"]) == (3, True)
    wrong = client.post(path, json={"sql": "SELECT nothing FROM events"}, headers=keys["admin"])
    assert wrong.status_code == 400
    assert "nothing" in wrong.json["error"]["fields"]["sql"]
    filtered = client.post(path, json={"sql": sql, "where": {"kind": "x"}}, headers=keys["admin"])
    assert "where" in filtered.json["error"]["fields"]


def test_a_view_of_it_is_kept_and_shared(client: FlaskClient, keys: dict[str, dict[str, str]]) -> None:
    questions = {"sql": {"lens": "sql", "params": {"sql": "SELECT count(*) AS n FROM events", "days": 3}}}
    body = {"name": "Count", "page": "sql", "questions": questions}
    view = client.post("/api/saved-views", json=body, headers=keys["admin"])
    assert view.status_code == 201, view.json
    token = client.post(f"/api/saved-views/{view.json['id']}/share", headers=keys["admin"]).json["token"]
    assert client.get(f"/share/{token}/data/sql").json["rows"] == [[25]]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000000) b", "query_timeout"),
        ("SELECT list(range) FROM range(1000000000)", "query_too_large"),
    ],
)
def test_time_and_memory_have_bounds(
    client: FlaskClient,
    runtime: Runtime,
    keys: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    sql: str,
    code: str,
) -> None:
    if code == "query_timeout":
        monkeypatch.setattr(runtime.settings, "query_timeout", runtime.settings.query_timeout / 10)
    found = client.post("/api/analytics/sql", json={"sql": sql}, headers=keys["admin"])
    assert (found.status_code, found.json["error"]["code"]) == (503, code)

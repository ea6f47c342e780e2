"""The questions of `bench.warehouse` asked of PostgreSQL: what they cost without a warehouse.

`python -m quadra.bench.postgres --directory DATA --database-url URL` copies the history that `bench.warehouse --directory
DATA` left into one table of an empty PostgreSQL, with indexes for these questions, asks, and prints one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import duckdb
import sqlalchemy as sa

from quadra.core import clock, migrate
from quadra.core.database import Database
from quadra.core.runtime import build
from quadra.core.settings import load
from quadra.core.sqlite_file import sqlite_url
from quadra.warehouse.columns import NAMES, TIMES
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import catalogue

DAY_US = 86_400_000_000
QUESTIONS = {
    "count by day and name": f"SELECT occurred_at / {DAY_US}, name, count(*) FROM history GROUP BY 1, 2",
    "daily users": f"SELECT occurred_at / {DAY_US}, count(DISTINCT user_id) FROM history GROUP BY 1",
    "seven days of counts": "SELECT name, count(*) FROM history WHERE occurred_at >= :week GROUP BY 1",
    "a property": "SELECT properties ->> 'plan', count(*) FROM history GROUP BY 1",
    "p50 p95 p99 by page": """
        SELECT page_url, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms)
        FROM history GROUP BY 1""",
    "weekly retention": f"""
        WITH weeks AS (SELECT DISTINCT user_id, occurred_at / {7 * DAY_US} AS week FROM history),
        first AS (SELECT user_id, min(week) AS week FROM weeks GROUP BY user_id)
        SELECT first.week, weeks.week, count(*) FROM first JOIN weeks USING (user_id) GROUP BY 1, 2""",
    "funnel of three": """
        WITH steps AS (SELECT user_id, min(occurred_at) FILTER (WHERE name = 'view') AS a,
            max(occurred_at) FILTER (WHERE name = 'cart') AS b, max(occurred_at) FILTER (WHERE name = 'buy') AS c
            FROM history WHERE name IN ('view', 'cart', 'buy') GROUP BY user_id)
        SELECT count(a), count(*) FILTER (WHERE b > a), count(*) FILTER (WHERE b > a AND c > b) FROM steps""",
    "last 100 of one user": """
        SELECT occurred_at, name, page_url, properties FROM history WHERE user_id = 'user-77'
        ORDER BY occurred_at DESC LIMIT 100""",
}
"""As in `bench.warehouse`; a person is the user id here, which spares PostgreSQL the join that the segments have behind them."""


def fill(database: Database, paths: list[Path]) -> dict[str, Any]:
    """Copy the segments into the table `history`, which has Quadra's columns, then index it."""
    began = time.perf_counter()
    columns = ", ".join(f"epoch_us({name}) AS {name}" if name in TIMES else name for name in NAMES)
    run(database, "CREATE UNLOGGED TABLE history (LIKE event)")
    with duckdb.connect() as source, tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "day.csv")
        for path in paths:
            source.execute(
                f"COPY (SELECT 1 AS project_id, {columns} FROM read_parquet(?)) TO '{file}' (HEADER false)", [str(path)]
            )
            with closing(database.engine.raw_connection()) as connection:
                cursor: Any = connection.cursor()
                with (
                    cursor.copy(f"COPY history (project_id, {', '.join(NAMES)}) FROM STDIN (FORMAT csv)") as copy,
                    file.open("rb") as rows,
                ):
                    while block := rows.read(1 << 20):
                        copy.write(block)
                connection.commit()
    for index in ("project_id, event_id", "occurred_at", "user_id, occurred_at"):
        run(database, f"CREATE INDEX ON history ({index})")
    run(database, "VACUUM ANALYZE history")
    with database.read() as session:
        rows, size = session.execute(sa.text("SELECT count(*), pg_total_relation_size('history') FROM history")).one()
    return {"events": rows, "bytes_per_event": round(size / rows, 1), "seconds": round(time.perf_counter() - began, 1)}


def run(database: Database, statement: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(statement)


def ask(database: Database, *, rounds: int) -> dict[str, float]:
    """Median seconds of each question."""
    answers = {}
    for title, sql in QUESTIONS.items():
        params = {"week": clock.now_us() - 7 * DAY_US} if ":week" in sql else {}
        taken = []
        for _ in range(rounds + 1):
            with database.read() as session:
                session.execute(sa.text("SET statement_timeout = 0"))
                began = time.perf_counter()
                session.execute(sa.text(sql), params).all()
                taken.append(time.perf_counter() - began)
        answers[title] = round(statistics.median(taken[1:]), 3)  # the first warms caches
    return answers


@click.command()
@click.option("--directory", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--database-url", required=True, help="Of an empty PostgreSQL database.")
@click.option("--rounds", default=3, show_default=True)
def main(directory: Path, database_url: str, rounds: int) -> None:
    """Measure the questions over history on PostgreSQL."""
    data = directory.absolute()
    runtime = build(load(data_dir=data, database_url=sqlite_url(data / "bench.db")))
    with closing(warehouse_of(runtime)) as warehouse, runtime.database.read() as session:
        paths = [warehouse.store.local(segment.path) for segment in catalogue.live(session, 1)]
    database = Database(database_url)
    migrate.upgrade(database)
    report = {"history": fill(database, paths), "load": [round(load, 1) for load in os.getloadavg()]}
    report["seconds"] = ask(database, rounds=rounds)
    click.echo(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

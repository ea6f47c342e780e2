"""Questions over history: Quadra's engine against the same statements straight in DuckDB over the same files, in turns.

`python -m quadra.bench.warehouse --events 5000000` makes the history in a directory of its own (SQLite), asks, puts a
burst of events that are not compacted beside it, asks again, and prints one JSON object. Ratios count; the machine is
shared.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import duckdb
import msgspec

from quadra.accounts.projects import create_project, get_project
from quadra.analytics.funnels.body import LENS as FUNNEL
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.core import clock, migrate
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load
from quadra.core.sqlite_file import sqlite_url
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.warehouse.columns import NAMES
from quadra.warehouse.query.engine import query, warehouse_of
from quadra.warehouse.segments import catalogue
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.segments.writing import files, write

DAY = timedelta(days=1)
BURST = 50_000
USERS = 50_000

FUNNELS = FUNNEL.path
STEPS = [{"event": "view"}, {"event": "cart"}, {"event": "buy"}]
LENSES: dict[str, tuple[str, dict[str, Any]]] = {
    "trends": ("trends", {}),
    "trends, people": ("trends", {"aggregate": "unique"}),
    "trends, weekly active": ("trends", {"aggregate": "weekly_active"}),
    "trends by a property": ("trends", {"breakdown": "plan"}),
    "trends, sum of a property": ("trends", {"aggregate": "sum", "property": "amount"}),
    "retention by day": ("retention", {"period": "day"}),
    "retention by day, recurring": ("retention", {"period": "day", "kind": "recurring"}),
    "stickiness": ("stickiness", {}),
    "lifecycle": ("lifecycle", {}),
    "sessions": ("sessions", {}),
    "paths": ("paths", {}),
    "funnel, ordered": (FUNNELS, {"steps": STEPS}),
    "funnel, within a day": (FUNNELS, {"steps": STEPS, "window_seconds": 86_400}),
    "funnel, strict": (FUNNELS, {"steps": STEPS, "order": "strict"}),
    "funnel, unordered": (FUNNELS, {"steps": STEPS, "order": "unordered"}),
    "funnel by a property": (FUNNELS, {"steps": STEPS, "breakdown": "plan"}),
    "funnel with an exclusion": (
        FUNNELS,
        {"steps": STEPS, "exclusions": [{"event": "login", "from_step": 0, "to_step": 1}]},
    ),
    "visits": ("visits", {}),
    "visits by channel": ("visits", {"by": "channel", "compare": "none"}),
    "visits by page": ("visits", {"by": "page", "compare": "none"}),
    "visits by country": ("visits", {"by": "country", "compare": "none"}),
    "users": ("users", {}),
    "overview": ("dashboard", {}),
    "performance": ("performance", {}),
}
"""What people ask: title -> the lens and its parameters."""

QUESTIONS = {
    "count by day and name": "SELECT occurred_us // 86400000000 AS day, name, count(*) FROM events GROUP BY ALL",
    "daily users": "SELECT occurred_us // 86400000000 AS day, count(DISTINCT person) FROM events GROUP BY ALL",
    "seven days of counts": "SELECT name, count(*) FROM events WHERE occurred_us >= $week GROUP BY ALL",
    "a property": "SELECT json_extract_string(properties, '/plan') AS plan, count(*) FROM events GROUP BY ALL",
    "p50 p95 p99 by page": "SELECT page_url, quantile_cont(duration_ms, [0.5, 0.95, 0.99]) FROM events GROUP BY ALL",
    "weekly retention": """
        WITH weeks AS (SELECT DISTINCT person, occurred_us // 604800000000 AS week FROM events),
        first AS (SELECT person, min(week) AS week FROM weeks GROUP BY person)
        SELECT first.week, weeks.week, count(*) FROM first JOIN weeks USING (person) GROUP BY ALL""",
    "funnel of three": """
        WITH steps AS (SELECT person, min(occurred_us) FILTER (name = 'view') AS a,
            max(occurred_us) FILTER (name = 'cart') AS b, max(occurred_us) FILTER (name = 'buy') AS c
            FROM events WHERE name IN ('view', 'cart', 'buy') GROUP BY person)
        SELECT count(a), count(*) FILTER (b > a), count(*) FILTER (b > a AND c > b) FROM steps""",
    "last 100 of one user": """
        SELECT occurred_us, name, page_url, properties FROM events WHERE user_id = 'user-77'
        ORDER BY occurred_us DESC LIMIT 100""",
}

VISITOR = "'visitor-' || substr(md5('v' || u), 1, 16)"
HISTORY = """(
    SELECT uuid()::VARCHAR AS event_id, 'batch-' || (i // 500) AS batch_id,
        ['view', 'view', 'view', 'click', 'search', 'cart', 'buy', 'login'][1 + (hash(i) % 8)::INT] AS name,
        CASE WHEN name = 'view' THEN 'page' ELSE 'event' END AS kind, name AS event_type, NULL::VARCHAR AS category,
        CASE WHEN hash(i, 2) % 5 = 0 THEN anonymous_id ELSE 'user-' || u END AS user_id,
        anonymous_id,
        'session-' || substr(md5({start} || '-' || visit), 1, 16) AS session_id,
        {start} + (hash(visit, {start}, 3) % 85800000000)::BIGINT + (i % 8) * 60000000 + (hash(i, 3) % 60000000)::BIGINT AS us,
        make_timestamptz(us) AS occurred_at, make_timestamptz(us + 40000 + (hash(i, 8) % 90000)::BIGINT) AS received_at,
        'https://shop.example/p/' || (hash(i, 4) % 500) AS page_url, 'Product ' || (hash(i, 4) % 500) AS page_title,
        CASE WHEN hash(i, 5) % 4 = 0 THEN 'https://search.example/' END AS referrer,
        ['desktop', 'mobile', 'tablet'][1 + (hash(u) % 3)::INT] AS device_type,
        ['Chrome', 'Firefox', 'Safari'][1 + (hash(u, 1) % 3)::INT] AS browser,
        ['Windows', 'Android', 'macOS'][1 + (hash(u, 2) % 3)::INT] AS os,
        ['de', 'en-GB', 'fr'][1 + (hash(u, 5) % 3)::INT] AS language, '1920x1080' AS screen,
        ['DE', 'FR', 'IR', 'US'][1 + (hash(u, 4) % 4)::INT] AS country, NULL::VARCHAR AS region,
        NULL::VARCHAR AS page_query, 'http' AS door,
        round((hash(i, 6) % 30000) / 10, 1) AS duration_ms, NULL::DOUBLE AS value, NULL::BOOLEAN AS success, false AS bot,
        NULL::VARCHAR AS fields,
        '{{"plan":"' || ['free', 'pro', 'team'][1 + (hash(u, 3) % 3)::INT] || '","amount":' || (hash(i, 7) % 1000)
            || ',"country":"' || ['DE', 'FR', 'IR', 'US'][1 + (hash(u, 4) % 4)::INT] || '"}}' AS properties
    FROM (SELECT i, u, visit, {visitor} AS anonymous_id
        FROM (SELECT range AS i, i // 8 AS visit, hash(visit, {start}) % {users} AS u FROM range({first}, {last})))
)"""


def make_history(runtime: Runtime, *, events: int, days: int) -> dict[str, Any]:
    """Segments of random events, one for each day, listed like any other."""
    per_day = events // days
    today = clock.to_us(clock.now().replace(hour=0, minute=0, second=0, microsecond=0))
    warehouse = warehouse_of(runtime)
    began = time.perf_counter()
    with closing(warehouse.cursor()) as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE people AS SELECT {VISITOR} AS id, 'user-' || u AS person FROM range({USERS}) t(u)"
        )
        people = cursor.sql("FROM people").to_arrow_table()
        for number in range(days):
            start = today - (days - number) * (DAY // clock.MICROSECOND)
            source = HISTORY.format(
                start=start, users=USERS, visitor=VISITOR, first=number * per_day, last=(number + 1) * per_day
            )
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE made AS SELECT {', '.join(NAMES)} FROM {source}")
            written = write(cursor, warehouse.store, "made", people=people, project_id=1, day=catalogue.day_of(start))
            with runtime.database.begin() as session:
                session.add(written.segment)
    with runtime.database.read() as session:
        listed = catalogue.live(session, 1)
    size = sum(warehouse.store.local(segment.path).stat().st_size for segment in listed)
    rows = sum(segment.rows for segment in listed)
    return {"events": rows, "bytes_per_event": round(size / rows, 1), "seconds": round(time.perf_counter() - began, 1)}


def burst(runtime: Runtime, count: int) -> None:
    """Events that no compaction has taken, of batches as a writer under load makes them."""
    log = Log(runtime.database, writer=f"bench-{clock.now_us()}", batch_max_events=4_000)
    now = clock.now_us()
    rows = [
        Row(
            project_id=1,
            event_id=f"fresh-{now}-{number}",
            kind="event",
            name="view",
            event_type="view",
            user_id=f"user-{number % USERS}",
            anonymous_id=f"fresh-visitor-{number % 5_000}",
            occurred_at=now - number,
            received_at=now,
            page_url=f"https://shop.example/p/{number % 500}",
            duration_ms=float(number % 3_000),
            properties=msgspec.Raw(b'{"plan":"pro","amount":7,"country":"DE"}'),
        )
        for number in range(count)
    ]
    for at in range(0, count, 4_000):
        log.append(rows[at : at + 4_000])


def raw(runtime: Runtime) -> duckdb.DuckDBPyConnection:
    """DuckDB by itself over the same files."""
    with runtime.database.read() as session:
        paths = [warehouse_of(runtime).store.local(segment.path) for segment in catalogue.live(session, 1)]
    memory = f"{runtime.settings.query_memory_mb}MB"
    connection = duckdb.connect(config={"threads": runtime.settings.query_threads, "memory_limit": memory})
    connection.execute(
        "CREATE VIEW events AS SELECT *, epoch_us(occurred_at) AS occurred_us, epoch_us(received_at) AS received_us "
        f"FROM {files(paths)}"
    )
    return connection


def compare(runtime: Runtime, *, rounds: int) -> dict[str, Any]:
    """Milliseconds of each question: Quadra's and DuckDB's medians and the median of the ratios of neighbours."""
    results: dict[str, Any] = {}
    with closing(raw(runtime)) as plain:
        for title, sql in QUESTIONS.items():
            params = {"week": clock.now_us() - 7 * (DAY // clock.MICROSECOND)} if "$week" in sql else {}
            bounds = {"start_us": params["week"]} if params else {}
            ours, theirs = [], []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                query(runtime, 1, sql, params, **bounds)
                between = time.perf_counter()
                plain.sql(sql, params=params).to_arrow_table()
                ours.append((between - began) * 1000)
                theirs.append((time.perf_counter() - between) * 1000)
            ratios = [mine / other for mine, other in zip(ours[1:], theirs[1:], strict=True)]  # the first warms caches
            results[title] = {
                "quadra_ms": round(statistics.median(ours[1:]), 1),
                "duckdb_ms": round(statistics.median(theirs[1:]), 1),
                "first_ms": round(ours[0], 1),
                "ratio": round(statistics.median(ratios), 2),
                "spread": [round(min(ratios), 2), round(max(ratios), 2)],
            }
    return results


def ask_lenses(runtime: Runtime, *, days: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of whole lenses, as a page waits for them, and of processor time: what a busy machine does not change.

    Beside them how much of that time DuckDB spent on the lens's own statements: the rest is Quadra's.
    """
    with runtime.database.read() as session:
        project = get_project(session, "bench")
    results: dict[str, Any] = {}
    for title, (lens, params) in LENSES.items():
        taken, worked, engine = [], [], []
        for _ in range(rounds + 1):
            began, busy = time.perf_counter(), time.process_time()
            answer = lens_of(lens).ask(runtime, read_asked(lens, {"days": days, **params}, project))
            worked.append((time.process_time() - busy) * 1000)
            taken.append((time.perf_counter() - began) * 1000)
            engine.append(answer.elapsed_ms)
        results[title] = {
            "median_ms": round(statistics.median(taken[1:]), 1),
            "best_ms": round(min(taken[1:]), 1),
            "first_ms": round(taken[0], 1),
            "cpu_ms": round(statistics.median(worked[1:]), 1),
            "in_queries_ms": round(statistics.median(engine[1:]), 1),
        }
    return results


@click.command()
@click.option("--events", default=5_000_000, show_default=True)
@click.option("--days", default=30, show_default=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--directory", type=click.Path(path_type=Path), help="Keep the data here instead of throwing it away.")
def main(events: int, days: int, rounds: int, directory: Path | None) -> None:
    """Measure questions over history and over a burst that is not compacted."""
    with tempfile.TemporaryDirectory() as temporary:
        data = (directory or Path(temporary)).absolute()
        runtime = build(load(data_dir=data, database_url=sqlite_url(data / "bench.db"), query_timeout="10m"))
        migrate.upgrade(runtime.database)
        with runtime.database.begin() as session:
            create_project(session, name="Bench")
        with closing(warehouse_of(runtime)):
            report: dict[str, Any] = {"history": make_history(runtime, events=events, days=days)}
            report["load"] = [round(load, 1) for load in os.getloadavg()]
            report["compacted"] = compare(runtime, rounds=rounds)
            report["lenses"] = ask_lenses(runtime, days=days + 1, rounds=min(rounds, 3))
            burst(runtime, BURST)
            report[f"with {BURST} uncompacted"] = compare(runtime, rounds=rounds)
            report[f"lenses with {BURST} uncompacted"] = ask_lenses(runtime, days=days + 1, rounds=min(rounds, 3))
            began = time.perf_counter()
            while compact_some(runtime, 1):
                pass
            report["compaction"] = {"events_per_second": round(BURST / (time.perf_counter() - began))}
    click.echo(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

"""The ingest suite: Socket.IO and HTTP against the bare lane, a Flask route that only parses, and the raw insert."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import sqlalchemy as sa

from quadra.bench.processes import Process, load, quadra, reference
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.ids import uuid7
from quadra.ingest.columns import Row
from quadra.ingest.inserters import INSERTERS
from quadra.ingest.tables import Batch, Event

Say = Callable[[str], None]


@dataclass
class Case:
    """One thing measured against one limit, in pairs within the same minutes."""

    name: str
    goal: str
    options: dict[str, Any]
    against: str
    """`lane`, `parse`, `insert`, or empty where the figure stands for itself"""
    runs: list[dict[str, Any]] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def ratio(self) -> float | None:
        pairs = [run["events_per_second"] / limit for run, limit in zip(self.runs, self.limits, strict=False) if limit]
        return round(median(pairs), 3) if pairs else None


def cases(database: str) -> list[Case]:
    single = {"shape": "single", "clients": 50, "window": 20}
    return [
        Case(f"Socket.IO, single events, {database}", "≥ 0.5 of the bare lane", single, "lane"),
        Case(
            f"Socket.IO, arrays of 100, {database}",
            "≥ 0.6 of the raw insert",
            {"shape": "array", "clients": 20, "window": 4, "size": 100},
            "insert",
        ),
        Case(
            f"HTTP, 1,000 events a request, {database}",
            "≥ 0.6 of the raw insert",
            {"shape": "http", "clients": 8, "size": 1000},
            "insert",
        ),
        Case(
            f"HTTP, 100 events a request, {database}",
            "no goal",
            {"shape": "http", "clients": 16, "size": 100},
            "insert",
        ),
        Case(
            f"HTTP, one event a request, {database}",
            "≥ 0.8 of a route that parses",
            {"shape": "http", "clients": 64, "size": 1},
            "parse",
        ),
        Case(f"Socket.IO at 500 events/s, {database}", "p50 < 5 ms, p99 < 20 ms", {**single, "rate": 500}, ""),
    ]


def run(databases: dict[str, str | None], *, rounds: int, seconds: float, say: Say) -> list[dict[str, Any]]:
    """Measure on each database (name -> URL, None for a fresh SQLite). Raises `AssertionError` when rows and acks differ.

    The web process alone, as where workers have machines of their own; on SQLite also with a worker on the same cores.
    """
    results: list[dict[str, Any]] = []
    with ExitStack() as stack:
        limits = {which: stack.enter_context(reference(which)) for which in ("lane", "parse")}
        for database, url in databases.items():
            # a named database would bring the first server's batches along
            for worker in (False, True) if url is None else (False,):
                with quadra(database, url, worker=worker) as server:
                    mine = [_result(case) for case in _measured(database, server, limits, worker, rounds, seconds, say)]
                    _verify(server, sum(result["stored"] for result in mine))
                results += mine
            say(f"{database}: every acknowledged event is stored once, and each batch counts its rows")
    return results


def _measured(
    database: str, server: Process, limits: dict[str, Process], worker: bool, rounds: int, seconds: float, say: Say
) -> Iterator[Case]:
    chosen = [case for case in cases(database) if not worker or case.against == "lane"]
    for case in chosen:
        case.name += ", with a worker beside it" if worker else ""
        case.goal = "no goal" if worker else case.goal
        _measure(case, server, limits, rounds, seconds)
        say(describe(_result(case)))
        yield case


def describe(result: dict[str, Any]) -> str:
    ratio = f"ratio {result['ratio']:.2f} ({result['goal']})" if result["ratio"] is not None else result["goal"]
    return (
        f"{result['name']}: {result['events_per_second']:,}/s, {ratio}; p50 {result['p50_ms']} ms, p99 {result['p99_ms']} ms; "
        f"{result['cpu_us_per_event']} µs CPU an event; {result['memory_mb']} MB"
    )


def _measure(case: Case, server: Process, limits: dict[str, Process], rounds: int, seconds: float) -> None:
    for _ in range(rounds):
        if case.against in limits:
            limit = load(limits[case.against], **case.options, seconds=seconds, prefix=uuid7())
            case.limits.append(limit["events_per_second"])
        elif case.against == "insert":
            case.limits.append(raw_insert(server.database_url, seconds))
        case.runs.append(load(server, **case.options, seconds=seconds, prefix=uuid7()))


def raw_insert(database_url: str, seconds: float) -> float:
    """Rows a second of the bare insert in groups of 1,000: the statement of the writer, and nothing else of Quadra.

    The rows are taken out again.
    """
    database = Database(database_url)
    inserter = INSERTERS[database.dialect]()
    marker, stored, at = uuid7(), 0, clock.now_us()
    groups = [[_row(f"{marker}-{group}-{n}", at) for n in range(1000)] for group in range(int(40 * seconds))]
    for rows in groups:
        rows.sort(key=lambda row: row.event_id)
    began = time.perf_counter()
    for rows in groups:
        with database.connect_to_write() as connection:
            inserter.insert(connection, marker, rows)
        stored += len(rows)
        if time.perf_counter() - began > seconds:
            break
    rate = stored / (time.perf_counter() - began)
    with database.connect_to_write() as connection:
        connection.execute(sa.delete(Event).where(Event.batch_id == marker))
    database.dispose()
    return rate


def _row(event_id: str, at: int) -> Row:
    return Row(
        1,
        event_id,
        "event",
        "click",
        "click",
        at,
        at,
        user_id="user-1",
        session_id="s-1",
        page_url="https://shop.example/p/1",
    )


def _result(case: Case) -> dict[str, Any]:
    middle = sorted(case.runs, key=lambda run: run["events_per_second"])[len(case.runs) // 2]
    return {
        "name": case.name,
        "goal": case.goal,
        "against": case.against,
        "ratio": case.ratio(),
        "limit_per_second": [round(limit) for limit in case.limits],
        "runs_per_second": [run["events_per_second"] for run in case.runs],
        "stored": sum(run["stored"] for run in case.runs),
        "failed": sum(run["failed"] + run["unanswered"] for run in case.runs),
        **{
            name: middle[name]
            for name in (
                "events_per_second",
                "p50_ms",
                "p99_ms",
                "cpu_us_per_event",
                "memory_mb",
                "generator_cpu_share",
            )
        },
    }


def _verify(server: Process, acknowledged: int) -> None:
    """A fast wrong answer counts as a failure."""
    database = Database(server.database_url)
    with database.read() as session:
        rows = session.scalar(sa.select(sa.func.count()).select_from(Event))
        counted = session.scalar(sa.select(sa.func.sum(Batch.event_count)))
    database.dispose()
    if not rows == counted == acknowledged:
        raise AssertionError(f"{acknowledged} events were acknowledged, {rows} are stored, the batches count {counted}")

"""What grows with history and what does not: the same work beside 10⁵, 10⁶, 10⁷ and 5·10⁷ stored events of a year.

Each size is a real Quadra, web process and worker, over SQLite and segments in a directory that is thrown away. The history is
written as segments straight away; what is measured comes in by the doors. Processor time, so that a busy neighbour costs
nothing, except where a figure says seconds.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from quadra.accounts.projects import get_project
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.bench.processes import Process, disk_mb, load, quadra
from quadra.bench.scaled import DAYS, Cost, Question, Replicas, Scale, Size, describe
from quadra.bench.warehouse import make_history
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Misconfigured
from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load as load_settings
from quadra.core.sqlite_file import sqlite_url
from quadra.ingest.tables import Batch
from quadra.jobs.states import UNFINISHED
from quadra.jobs.tables import Job
from quadra.warehouse.query.engine import warehouse_of

Say = Callable[[str], None]
SIZES = (100_000, 1_000_000, 10_000_000, 50_000_000)
DISK_BYTES = 200
"""An event in its segment, in a backup, in what is recovered of it, and some room."""
SINGLY = {"shape": "single", "clients": 50, "window": 20}
IN_ARRAYS = {"shape": "array", "clients": 20, "window": 4, "size": 100}
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "trends": ("trends", {}),
    "unique people": ("trends", {"aggregate": "unique"}),
    "retention": ("retention", {"period": "week"}),
}
RANGES = {"30 days": 30, "a year": DAYS}
ROUNDS = 3
SOON = {"QUADRA_SEGMENT_AGE": "1s", "QUADRA_BATCH_MAX_AGE": "2s"}
"""What is taken is compacted at once, not after minutes."""
IDLE_SECONDS = 9
FINISH_SECONDS = 900


def run(
    scale: Scale, *, until: int, seconds: float, shared: tuple[str, str] | None, keep: Callable[[Scale], None], say: Say
) -> None:
    """Fill `scale` with each size up to `until`, then with replicas where (PostgreSQL, Redis) are named. `keep` writes it."""
    for events in SIZES:
        if events <= until:
            scale.sizes.append(measure(events, seconds))
            say(describe(scale.sizes[-1]))
            keep(scale)
    if shared:
        scale.replicas = replicas(*shared, seconds=seconds)
        for one in scale.replicas:
            say(f"{one.replicas} web processes: {one.events_per_second:,}/s, {one.single_us} µs an event")
        keep(scale)


def measure(events: int, seconds: float) -> Size:
    if shutil.disk_usage(tempfile.gettempdir()).free < events * DISK_BYTES:
        raise Misconfigured(f"{events:,} events need {events * DISK_BYTES / 2**30:.0f} GB of {tempfile.gettempdir()}.")
    began = time.monotonic()
    with quadra("Quadra", None, worker=True, extra=SOON, prepare=_history(events)) as server:
        history_seconds, disk = time.monotonic() - began, server.disk_mb()
        single, array = (cost([server], seconds, shape) for shape in (SINGLY, IN_ARRAYS))
        web, worker = server.web().memory_mb, server.worker().memory_mb
        with _runtime(server.directory, server.database_url) as runtime:
            questions = list(_questions(runtime))
        backup, recover = _backup_and_recovery(server)
        return Size(
            events,
            clock.iso(clock.now()),
            round(os.getloadavg()[0], 1),
            round(history_seconds, 1),
            single.us,
            single.web_us,
            array.us,
            array.web_us,
            questions,
            *backup,
            *recover,
            round(web, 1),
            round(worker, 1),
            round(disk, 1),
        )


def _history(events: int) -> Callable[[Path, str], None]:
    def prepare(directory: Path, url: str) -> None:
        with _runtime(directory, url) as runtime:
            make_history(runtime, events=events, days=DAYS)

    return prepare


@contextmanager
def _runtime(directory: Path, url: str) -> Iterator[Runtime]:
    with closing(build(load_settings(data_dir=directory, database_url=url, query_timeout="10m"))) as runtime:
        yield runtime


def cost(servers: list[Process], seconds: float, shape: dict[str, Any]) -> Cost:
    """Of an event that is sent to all of them at once, until all work is done; the first has the worker beside it.

    What they use at rest meanwhile is left out: beside a busy neighbour a few events may take a minute.
    """
    servers[0].settle()
    _finish(servers[0])
    rest = _at_rest(servers)
    before, loaded = _used(servers), time.monotonic()
    with ThreadPoolExecutor(len(servers)) as threads:
        options = [{**shape, "seconds": seconds, "prefix": uuid7()} for _ in servers]
        found = list(threads.map(lambda server, given: load(server, **given), servers, options))
    _finish(servers[0])
    passed = time.monotonic() - loaded
    web, worker = (
        max(0.0, after - earlier - share * passed)
        for after, earlier, share in zip(_used(servers), before, rest, strict=True)
    )
    events = max(1, sum(one["events"] for one in found))
    per_second = sum(one["events_per_second"] for one in found)
    return Cost(round((web + worker) / events * 1e6, 1), round(web / events * 1e6, 1), per_second)


def _at_rest(servers: list[Process]) -> tuple[float, float]:
    """Cores of the web processes, and of the worker: the middle of some seconds, since now and then one has more to do."""
    looks = [_used(servers)]
    for _ in range(IDLE_SECONDS):
        time.sleep(1)
        looks.append(_used(servers))
    web, worker = (
        statistics.median(after - before for before, after in pairwise(values)) for values in zip(*looks, strict=True)
    )
    return web, worker


def _used(servers: list[Process]) -> tuple[float, float]:
    """Processor seconds of the web processes, and of the worker."""
    return sum(server.web().cpu_seconds for server in servers), servers[0].worker().cpu_seconds


def _finish(server: Process) -> None:
    """Wait until every batch is analysed and compacted."""
    database, until = Database(server.database_url), time.monotonic() + FINISH_SECONDS
    due = sa.and_(Job.state.in_(UNFINISHED), Job.available_at <= sa.bindparam("now", type_=Job.available_at.type))
    waiting = sa.select(
        sa.select(sa.func.count()).where(Batch.segment_id.is_(None)).scalar_subquery()
        + sa.select(sa.func.count()).where(due).scalar_subquery()
    )
    try:
        while time.monotonic() < until:
            with database.read() as session:
                if not session.scalar(waiting, {"now": clock.now()}):
                    return
            time.sleep(0.5)
        raise AssertionError(f"The worker was not done within {FINISH_SECONDS} s.")
    finally:
        database.dispose()


def _questions(runtime: Runtime) -> Iterator[Question]:
    """By an engine that has answered nothing yet; afterwards what sealed files answer may be kept, the answer itself is not."""
    with runtime.database.read() as session:
        project = get_project(session, "default")
    warehouse = warehouse_of(runtime)

    def ask(lens: str, params: dict[str, Any]) -> float:
        warehouse.answers.clear()
        began = time.process_time()
        lens_of(lens).ask(runtime, read_asked(lens, params, project))
        return (time.process_time() - began) * 1000

    ask("trends", {"days": 1})  # loads DuckDB
    for range_, days in RANGES.items():
        for title, (lens, params) in QUESTIONS.items():
            taken = [ask(lens, {"days": days, **params}) for _ in range(1 + ROUNDS)]
            yield Question(f"{title}, {range_}", round(taken[0], 1), round(min(taken[1:]), 1))


def _backup_and_recovery(server: Process) -> tuple[tuple[float, float], tuple[float, float]]:
    """(seconds, processor seconds) of a full backup, and of the recovery of it on an empty machine."""
    with tempfile.TemporaryDirectory(prefix="quadra-scale-") as directory:
        kept, elsewhere = Path(directory, "kept"), Path(directory, "new")
        known = {
            "QUADRA_DATA_DIR": str(server.directory),
            "DATABASE_URL": server.database_url,
            "QUADRA_BACKUP_DIR": str(kept),
        }
        new = {"QUADRA_DATA_DIR": str(elsewhere), "DATABASE_URL": sqlite_url(elsewhere / "quadra.db")}
        backup = _timed(known, "backup", "take", "--kind", "full", "--json")
        recover = _timed(known | new, "recover", "--no-start", "--json")
        if disk_mb(elsewhere) < disk_mb(server.directory / "segments"):
            raise AssertionError("Less was recovered than was there.")
        return backup, recover


def _timed(environment: dict[str, str], *words: str) -> tuple[float, float]:
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "quadra", *words]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(
            f"{' '.join(words)} failed:\n{(done.stdout + done.stderr).decode(errors='replace')[-1500:]}"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return round(time.perf_counter() - began, 1), round(cpu, 1)


def replicas(postgres: str, redis: str, *, seconds: float) -> list[Replicas]:
    """Single events to one web process, then to two at once, over one empty PostgreSQL and with one worker."""
    extra = {**SOON, "REDIS_URL": redis}
    with (
        quadra("replica A", postgres, worker=True, extra=extra) as first,
        quadra("replica B", postgres, worker=False, extra=extra) as second,
    ):
        second.key = first.key
        found = []
        for servers in ([first], [first, second]):
            one, busy = cost(servers, seconds, SINGLY), round(os.getloadavg()[0], 1)
            found.append(Replicas(len(servers), busy, one.events_per_second, one.us, one.web_us))
        return found

"""Kill -9 at every point of an action: `python -m tests.warehouse.crashing ACTION STEP`.

A point is a moment just before or after something that reaches outside: a statement to the database, a commit, an fsync,
a rename, an unlink, a statement to DuckDB. For point 1, 1 + STEP, … a child process prepares and does the action and kills
itself there; then another child checks that no event is lost or doubled, does the action to its end, sweeps and checks
again. Prints how many points there were. This process itself opens neither database nor threads, so that it may fork.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from quadra.core.runtime import Runtime
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure.erasing import erase_person
from quadra.warehouse.erasure.jobs import ERASE, request_erasure
from quadra.warehouse.query import duck
from quadra.warehouse.query.engine import Warehouse
from quadra.warehouse.segments import sweeping, verifying, writing
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.segments.hot_rows import evict_some
from quadra.warehouse.segments.merging import find_days, merge_some
from tests.warehouse.conftest import age, compact_all, event, installation, numbers, scalar, store

EVENTS = 60
ERASED = "u-3"


class Points:
    """Counts, and kills this process at the chosen one."""

    def __init__(self, fatal: int):
        self.count = 0
        self.fatal = fatal

    def pass_one(self) -> None:
        self.count += 1
        if self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.pass_one()
            result = real(*arguments, **named)
            self.pass_one()
            return result

        return wrapped

    def arm(self, runtime: Runtime) -> None:
        engine = runtime.database.engine
        for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
            sa.event.listen(engine, moment, lambda *_: self.pass_one())
        engine.dialect.do_commit = self.around(engine.dialect.do_commit)
        os.fsync = self.around(os.fsync)
        for name in ("rename", "unlink"):
            setattr(Path, name, self.around(getattr(Path, name)))
        for module in (writing, verifying, duck):
            setattr(module, "rows", self.around(getattr(module, "rows")))  # noqa: B009,B010
        real = Warehouse.cursor
        Warehouse.cursor = lambda warehouse: Armed(real(warehouse), self)  # type: ignore[method-assign,assignment]


class Armed:
    """A DuckDB cursor whose statements are points."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, points: Points):
        self._cursor = cursor
        self._points = points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        return self._points.around(found) if name in ("execute", "sql") else found


def work_compact(runtime: Runtime) -> None:
    compact_all(runtime)


def work_merge(runtime: Runtime) -> None:
    while True:
        with runtime.database.read() as session:
            days = find_days(session, rows_most=2_000_000)
        if not days:
            return
        for project_id, day in days:
            merge_some(runtime, project_id, day)


def work_cool(runtime: Runtime) -> None:
    while evict_some(runtime, 1):
        pass


def work_erase(runtime: Runtime) -> None:
    with runtime.database.begin() as session:  # as recovery does with the job of a worker that died
        session.execute(sa.text("UPDATE job SET state = 'PENDING', lease_token = NULL WHERE state = 'RUNNING'"))
        jobs = claim(session, worker="test", kinds=[ERASE], limit=9, length=timedelta(minutes=1))
    for job in jobs:
        erase_person(runtime, Lease(job, timedelta(minutes=1)))


def prepare(runtime: Runtime, action: str, first: int) -> None:
    """60 new events, of three days, brought to where the action begins."""
    new = [event(number, days_ago=number % 3, user_id=f"u-{number % 10}") for number in range(first, first + EVENTS)]
    parts = 4 if action == "merge" else 2
    for part in range(parts):
        store(runtime, new[part::parts], per_batch=7)
        if action != "compact" and not (action == "erase" and part):
            compact_some(runtime, 1)
    if action == "cool":
        age(runtime)
    if action == "erase":
        with runtime.database.begin() as session:
            request_erasure(session, 1, ERASED, max_attempts=5)


WORK = {"compact": work_compact, "merge": work_merge, "cool": work_cool, "erase": work_erase}


def crash(runtime: Runtime, action: str, first: int, fatal: int) -> int:
    prepare(runtime, action, first)
    points = Points(fatal)
    points.arm(runtime)
    WORK[action](runtime)
    points.fatal = 0
    return points.count


def check(runtime: Runtime, action: str, last: int) -> None:
    """Every event once; then the action is done to its end, and again every event once."""
    every = list(range(last))
    kept = [number for number in every if f"u-{number % 10}" != ERASED]
    seen = numbers(runtime)
    if action == "erase":
        assert len(set(seen)) == len(seen)
        assert [number for number in seen if f"u-{number % 10}" != ERASED] == kept
        every = kept
    else:
        assert seen == every
    WORK[action](runtime)
    assert numbers(runtime) == every
    sweeping.sweep(runtime)
    sweeping.remove_orphans(runtime, older_than_seconds=-60)
    assert numbers(runtime) == every
    assert verifying.verify(runtime) == []
    work_merge(runtime)  # else each round would have more to do, and no round would be the last
    if action == "cool":
        assert scalar(runtime, "SELECT count(*) FROM event") == 0
        assert scalar(runtime, "SELECT count(*) FROM batch WHERE status <> 'ARCHIVED'") == 0
    if action == "erase":
        assert scalar(runtime, f"SELECT count(*) FROM event WHERE user_id = '{ERASED}'") == 0


def in_child(url: str, directory: Path, what: Callable[[Runtime], object]) -> int:
    """The child's exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with installation(url, directory) as runtime:
                found = what(runtime)
                code = 100 if isinstance(found, int) else 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(action: str, step: int, url: str, directory: Path) -> int:
    fatal, last = 1, 0
    killed = 0
    while True:
        ended = in_child(url, directory, partial(crash, action=action, first=last, fatal=fatal))
        last += EVENTS
        assert ended in (-signal.SIGKILL, 100), f"point {fatal}: the action ended with {ended}"
        checked = in_child(url, directory, partial(check, action=action, last=last))
        assert checked == 0, f"after a kill at point {fatal}: see above"
        if ended == 100:  # there are no more points
            print(killed)  # noqa: T201
            return 0
        killed += 1
        fatal += step


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), os.environ["DATABASE_URL"], Path(sys.argv[3])))

"""Everything beside the database in a recovery: segments, models, erasures, Redis, backups, and a start to see it work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import duckdb
import redis
import sqlalchemy as sa

from quadra.accounts.tables import Project
from quadra.backup.dumps import databases
from quadra.backup.recover.context import Recovery
from quadra.backup.stores.manifest import SegmentCopy
from quadra.backup.stores.segment_copies import fetch
from quadra.backup.take import key_of, models_directory
from quadra.backup.verify import key_for, parts_of, scratch_directory, unpack_models
from quadra.core import clock
from quadra.core.errors import NotFound, Unavailable
from quadra.core.redis import make_client
from quadra.warehouse.erasure import erase_list as erasure_list
from quadra.warehouse.query.engine import query, warehouse_of
from quadra.warehouse.segments.verifying import find_damage, live_segments
from quadra.warehouse.tables import Erasure

START_SECONDS = 60.0
ADDRESS = re.compile(r"Open\s+(http://\S+)")


def fetch_segments(recovery: Recovery) -> str:
    """Compare every segment with its hash; fetch those that are missing or damaged."""
    warehouse = warehouse_of(recovery.runtime)
    with recovery.runtime.database.read() as session:
        listed = live_segments(session)
    wrong = [segment for segment in listed if find_damage(warehouse, segment, decode=False) is not None]
    lost, key = [], key_of(recovery.settings)
    for segment in wrong:
        copy = SegmentCopy(segment.path, segment.bytes, segment.sha256, segment.rows)
        staged = warehouse.store.staging(segment.path)
        try:
            fetch(recovery.stores.all, copy, key, staged)
        except NotFound:
            lost.append(segment)
            continue
        _set_aside(warehouse.store.local(segment.path))
        warehouse.store.publish(segment.path)
        recovery.changes.append(f"fetched {segment.path}")
    if lost:
        rows = sum(segment.rows for segment in lost)
        names = ", ".join(segment.path for segment in lost[:3]) + (" …" if len(lost) > 3 else "")
        raise NotFound(f"{len(lost)} of {len(listed)} segments ({rows:,} events) are lost and in no store: {names}")
    return f"{len(listed)} sound" + (f", {len(wrong)} of them fetched from backups" if wrong else "")


def fetch_models(recovery: Recovery) -> str:
    """The artifacts of the newest backup that has some, where there are none."""
    home = models_directory(recovery.settings)
    if home.exists() and any(home.iterdir()):
        return "there"
    for kept in recovery.backups():
        part = kept.manifest.part("models")
        if part is None:
            continue
        with parts_of(kept, recovery.stores) as directory, scratch_directory(recovery.stores.home.root) as scratch:
            count = unpack_models(
                directory, kept.manifest, key_for(kept.manifest, recovery.settings), scratch / "out", scratch
            )
            if count:
                home.parent.mkdir(parents=True, exist_ok=True)
                (scratch / "out").rename(home)
                recovery.changes.append("fetched models")
                return f"{count} files fetched from {kept.manifest.id}"
        break
    return "none was ever trained"


def repeat_erasures(recovery: Recovery) -> str:
    """Erasures that the list knows and the database does not: it is older than they are."""
    settings, runtime = recovery.settings, recovery.runtime
    with runtime.database.read() as session:
        known = {
            (slug, user_id, clock.to_us(at))
            for slug, user_id, at in session.execute(
                sa.select(Project.slug, Erasure.user_id, Erasure.requested_at).join(
                    Project, Project.id == Erasure.project_id
                )
            )
        }
        projects = set(session.scalars(sa.select(Project.slug)))
    listed = list(erasure_list.read_all(settings, warehouse_of(runtime).store))
    missing = [
        one for one in listed if one.project in projects and (one.project, one.user_id, one.requested_us) not in known
    ]
    if not missing:
        return f"{len(listed)} in the list, none to repeat"
    with runtime.database.begin() as session:
        count = erasure_list.replay(session, runtime)
    recovery.changes.append("repeated erasures")
    return f"{count} are repeated as soon as a worker runs"


def ask_redis(recovery: Recovery) -> str:
    if not recovery.settings.redis_configured:
        return "not set up: one web process"
    try:
        make_client(recovery.settings, seconds=3).ping()
    except (redis.RedisError, OSError) as error:
        raise Unavailable(
            f"Redis does not answer: {error}. Quadra stores events without it; replicas need it."
        ) from error
    return "answers"


def ask_backups(recovery: Recovery) -> str:
    backups = recovery.backups()
    if not backups:
        return f"there is none in {recovery.stores.home.place}: quadra backup take"
    proven = next((kept for kept in backups if kept.verified and kept.verified.level == "restore"), None)
    newest = backups[0].manifest
    last = (
        f"{proven.manifest.id} was the last one restored on trial"
        if proven
        else "none was ever restored on trial: quadra backup verify latest"
    )
    return f"{len(backups)}, the newest {newest.id}; {last}"


def count_events(recovery: Recovery) -> str:
    """The events that questions find, against those that the database lists."""
    with recovery.runtime.database.read() as session:
        connection = session.connection()
        listed = databases.events(connection, databases.segments(connection))
        projects = list(session.scalars(sa.select(Project.id)))
    try:
        counted = _counted(recovery, projects)
    except duckdb.Error as error:
        raise NotFound(f"questions cannot be answered: {str(error).splitlines()[0]}") from error
    if counted != listed and recovery.settings.retention_days is None and not recovery.running:
        raise NotFound(f"questions find {counted:,} events, {listed:,} are listed")
    return f"questions find {counted:,} events"


def _counted(recovery: Recovery, projects: list[int]) -> int:
    answers = (query(recovery.runtime, project, "SELECT count(*) AS n FROM events") for project in projects)
    return sum(answer.table.column("n")[0].as_py() for answer in answers)


def start(recovery: Recovery) -> str:
    """Start the web process on a free port, ask it, stop it."""
    if recovery.running:
        return f"{recovery.running} is running"
    if not recovery.changes:
        return "nothing was changed, so nothing was started"
    if not recovery.may_start:
        return "left out, as asked"
    recovery.runtime.database.dispose()
    with tempfile.TemporaryFile("w+b") as output:
        command = [sys.executable, "-m", "quadra", "serve", "--host", "127.0.0.1", "--port", "0", "--no-worker"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
            try:
                address = _address(process, output)
                _ready(address)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
    return "started, answered that it is ready, and stopped: start it for good now"


def _address(process: subprocess.Popen[bytes], output: object) -> str:
    until = time.monotonic() + START_SECONDS
    text = ""
    while time.monotonic() < until and process.poll() is None:
        text = os.pread(output.fileno(), 20_000, 0).decode(errors="replace")  # type: ignore[attr-defined]
        if match := ADDRESS.search(text):
            return match[1]
        time.sleep(0.1)
    raise Unavailable(f"Quadra does not start: {' '.join(text.splitlines()[-3:]) or 'it says nothing'}")


def _ready(address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > until:
                raise Unavailable(f"Quadra started and is not ready: {error}") from error
            time.sleep(0.2)


def _set_aside(path: Path) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name}.damaged"))

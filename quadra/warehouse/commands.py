"""`quadra warehouse` and `quadra erase`. Errors are left to `cli.py`; damage ends `verify` with exit code 1."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import click

from quadra.accounts import audit
from quadra.accounts.commands import project_option
from quadra.accounts.projects import get_project, list_projects
from quadra.accounts.terminal import json_option, opened, say, table
from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.warehouse.erasure.erase_list import remember_request, replay
from quadra.warehouse.erasure.jobs import request_erasure
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import merging, sweeping
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.segments.publishing import StaleRead
from quadra.warehouse.segments.verifying import Damage, live_segments, verify
from quadra.warehouse.status import FIELDS, replaced_files, status

STALE_MOST = 60
PAUSE_SECONDS = 0.5
"""After a worker was quicker: by then it is further."""


@click.group()
def warehouse() -> None:
    """Segments: the columnar files that hold the history."""


@warehouse.command("status")
@json_option
def show_status(as_json: bool) -> None:
    """What lies in segments, and what waits for its compaction."""
    with opened() as runtime, runtime.database.read() as session:
        entries, replaced = status(session), replaced_files(session)
    lines = table(FIELDS, entries) if entries else ["There are no events yet."]
    say(as_json, {"projects": entries, "replaced_files": replaced}, lines)


@warehouse.command("verify")
@click.option("--project", "slug", help="Only this project's.")
@json_option
def verify_segments(slug: str | None, as_json: bool) -> None:
    """Read every segment back and name the damaged ones."""
    with opened() as runtime, closing(warehouse_of(runtime)):
        with runtime.database.read() as session:
            project_id = get_project(session, slug).id if slug else None
            count = len(live_segments(session, project_id))
        with click.progressbar(length=count, label="Segments", hidden=as_json or not sys.stdout.isatty()) as bar:
            damages = verify(runtime, project_id, on_segment=lambda _segment, _damage: bar.update(1))
    body = {"ok": not damages, "segments": count, "damaged": [_damage_body(damage) for damage in damages]}
    sound = [] if damages else [f"{count} segments are sound."]
    say(as_json, body, [*sound, *(str(damage) for damage in damages)])
    if damages:
        sys.exit(1)


@warehouse.command("compact")
@click.option("--project", "slug", help="Only this project's.")
@json_option
def compact(slug: str | None, as_json: bool) -> None:
    """Put all sealed batches into segments now, merge what is due, and remove what is no longer read."""
    batches = files = 0
    with opened() as runtime, closing(warehouse_of(runtime)):
        with runtime.database.read() as session:
            projects = [get_project(session, slug)] if slug else list_projects(session)
        for project in projects:
            while taken := _beside_workers(partial(compact_some, runtime, project.id)):
                batches += taken
            while merged := _beside_workers(partial(_merge, runtime, project.id)):
                files += merged
        sweeping.sweep(runtime)
    body = {"batches": batches, "merged_files": files}
    say(as_json, body, [f"{batches} batches compacted, {files} small files merged."])


@click.command()
@click.argument("user_id", required=False)
@project_option
@click.option("--replay", "again", is_flag=True, help="After a restore: repeat every erasure there ever was.")
@json_option
def erase(user_id: str | None, slug: str, again: bool, as_json: bool) -> None:
    """Erase everything stored about a user. A worker does it; `quadra worker` or `quadra serve` must run."""
    if again == (user_id is not None):
        raise click.UsageError("Name a user, or say --replay.")
    with opened() as runtime:
        with runtime.database.begin() as session:
            if user_id is None:
                count = replay(session, runtime)
                say(as_json, {"jobs": count}, [f"{count} erasures are repeated."])
                return
            project = get_project(session, slug)
            attempts = runtime.settings.job_max_attempts
            erasure, job = request_erasure(session, project.id, user_id, max_attempts=attempts)
            audit.record(session, actor="terminal", action="warehouse.erasure.requested", project_id=project.id)
        remember_request(runtime, slug, erasure)
    body = {"job": job.id, "requested_at": clock.iso(erasure.requested_at)}
    say(as_json, body, [f"Job {job.id} erases this user from project {slug}."])


def _merge(runtime: Runtime, project_id: int) -> int:
    """What is due now."""
    with runtime.database.read() as session:
        days = merging.find_days(session, rows_most=runtime.settings.segment_rows)
    return sum(merging.merge_some(runtime, project_id, day) for found, day in days if found == project_id)


def _beside_workers(work: Callable[[], int]) -> int:
    """A worker that compacts the same takes what was read here: it is read again. Each time the worker has done some of it."""
    for _ in range(STALE_MOST):
        try:
            return work()
        except StaleRead:
            time.sleep(PAUSE_SECONDS)
    return work()


def _damage_body(damage: Damage) -> dict[str, str]:
    return {"path": damage.path, "what": damage.what, "expected": damage.expected, "actual": damage.actual}

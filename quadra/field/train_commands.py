"""`quadra train`: ask for a training, and follow it."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import click
import sqlalchemy as sa

from quadra.accounts import audit
from quadra.accounts.commands import project_option
from quadra.accounts.projects import get_project
from quadra.accounts.terminal import json_option, opened, say
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.migrate import upgrade
from quadra.core.runtime import Runtime
from quadra.field import training
from quadra.field.bodies import Training, training_body
from quadra.field.cells import LEAST_CELLS, MOST_CELLS
from quadra.field.tables import TrainingRun
from quadra.jobs.tables import WorkerRow

LOOK_SECONDS = 0.5
DATES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


@click.command("train")
@project_option
@click.option("--from", "from_at", type=DATES, help="Events from here on, UTC.")
@click.option("--to", "to_at", type=DATES, help="Events before this, UTC.")
@click.option("--cells", type=click.IntRange(LEAST_CELLS, MOST_CELLS), default=training.CELLS, show_default=True)
@click.option(
    "--decay",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=training.DECAY,
    show_default=True,
    help="How much of the past stays at each step.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=training.SEED, show_default=True)
@click.option("--max-iterations", type=click.IntRange(1), help="Steps at the most.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow it until it ends.")
@json_option
def train(
    slug: str,
    from_at: datetime | None,
    to_at: datetime | None,
    cells: int,
    decay: float,
    seed: int,
    max_iterations: int | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Learn stored history as a new version. A running worker does it."""
    with opened(upgrade) as runtime:
        with runtime.database.begin() as session:
            project = get_project(session, slug)
            run = training.start(
                session,
                runtime.settings,
                project,
                cells=cells,
                decay=decay,
                seed=seed,
                max_iterations=max_iterations,
                from_at=from_at.replace(tzinfo=UTC) if from_at else None,
                to_at=to_at.replace(tzinfo=UTC) if to_at else None,
            )
            audit.record(
                session, actor=audit.COMMAND, action="field.training.asked", subject=run.id, project_id=project.id
            )
        body = _followed(runtime, run.id, slug, quiet=as_json) if wait else _look(runtime, run.id, slug)
    line = f"Training {body.training_id}: {body.status} after {body.iteration:,} iterations. {body.message}".rstrip()
    say(as_json, body, [line, *([f"It is version {body.version}."] if body.version else [])])
    if body.status == "failed":
        sys.exit(1)


def _followed(runtime: Runtime, training_id: str, slug: str, *, quiet: bool) -> Training:
    shown = -1
    while True:
        body = _look(runtime, training_id, slug)
        if body.status in ("completed", "failed"):
            return body
        if body.status == "started" and not _has_worker(runtime):
            raise Unavailable("No worker runs, so the training waits. Next: quadra serve, or quadra worker")
        if body.iteration != shown and not quiet:
            shown = body.iteration
            click.echo(f"{body.status}: {shown:,} iterations", err=True)
        time.sleep(LOOK_SECONDS)


def _look(runtime: Runtime, training_id: str, slug: str) -> Training:
    with runtime.database.read() as session:
        return training_body(session, session.get_one(TrainingRun, training_id), slug)


def _has_worker(runtime: Runtime) -> bool:
    since = clock.now() - 3 * runtime.settings.job_lease
    with runtime.database.read() as session:
        return session.scalar(sa.select(WorkerRow.name).where(WorkerRow.heartbeat_at > since).limit(1)) is not None

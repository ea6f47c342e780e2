"""One deployment: checks, backup, migration, the new release beside the old one, gates, switch, drain.

Until the switch the old release serves and is not touched; after it, the old one still runs until the new one has answered
through the balancer. So whatever fails, somebody serves.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.rollout.fleet import Fleet
from quadra.rollout.gates import Refused, answers, measure, wait_until_ready
from quadra.rollout.place import write
from quadra.rollout.processes import alive, last_line
from quadra.rollout.records import Deployment, Step, note

FRESH = timedelta(hours=1)
"""A backup that is younger is not taken again."""
COMMAND_SECONDS = 3600.0
"""For a backup, and for migrations."""
WORKER_SECONDS = 3.0
"""That a new worker must live; it answers no probe."""
VERIFY_SECONDS = 10.0
SECRETS = ("write_key", "admin_key", "admin_password")


def deploy(fleet: Fleet, deployment: Deployment, tell: Callable[[str], None] = lambda _: None) -> None:
    """Do it, and leave how it ended in the journal."""
    state = fleet.state
    deployment.previous = state.release
    state.deployment, state.before = deployment, state.serving
    fleet.save()
    note(fleet.place, deployment=deployment)
    try:
        for name, step in STEPS.items():
            tell(f"{deployment.release}: {name}")
            with _timed(deployment, name):
                step(fleet, deployment)
            fleet.save()
    except Refused as refused:
        undo(fleet, refused.kind, str(refused), **refused.figures)
    except QuadraError as error:
        undo(fleet, "network", error.message)  # of the balancer
    except OSError as error:
        undo(fleet, "resources", f"The watcher could not go on: {error}")
    else:
        finish(fleet)
    tell(f"{deployment.release}: {deployment.status} {deployment.reason}".rstrip())


def undo(fleet: Fleet, kind: str, reason: str, **figures: object) -> None:
    """Back to the release before: it gets the requests first, then the new processes end."""
    state, deployment = fleet.state, fleet.state.deployment
    assert deployment is not None
    deployment.reason, deployment.failure_kind = reason, kind
    deployment.figures |= figures
    switched = deployment.id in (state.serving, state.leaving)
    if state.serving == deployment.id:
        state.serving, state.leaving = state.before, deployment.id
        fleet.save()
        fleet.route()
    for kept in [kept for kept in state.processes if kept.deployment == deployment.id]:
        fleet.stop(kept)
    deployment.status = "rolled_back" if switched else "failed"
    _end(fleet, deployment)


def finish(fleet: Fleet) -> None:
    """The new release serves: the processes of the old one are drained and end, one after the other."""
    state, deployment = fleet.state, fleet.state.deployment
    assert deployment is not None
    with _timed(deployment, "drain"):
        for kept in [kept for kept in state.processes if kept.role != "balancer"]:
            if kept.deployment != deployment.id:
                fleet.stop(kept)
    _end(fleet, deployment)


def settle(fleet: Fleet) -> None:
    """What a watcher left that was killed during a deployment: finished where the new release serves, else undone."""
    deployment = fleet.state.deployment
    if deployment is None:
        return
    if deployment.status == "completed":
        finish(fleet)
    elif deployment.failure_kind:  # it was being undone, and the balancer or the disk did not let us
        undo(fleet, deployment.failure_kind, deployment.reason)
    else:
        step = deployment.steps[-1].name if deployment.steps else "nothing"
        undo(fleet, "deployment", f"The watcher was lost during the deployment; what it did last: {step}.")


def _end(fleet: Fleet, deployment: Deployment) -> None:
    deployment.ended_at = clock.iso(clock.now())
    note(fleet.place, deployment=deployment)
    fleet.state.deployment = fleet.state.before = fleet.state.leaving = None
    fleet.save()


def check(fleet: Fleet, deployment: Deployment) -> None:
    """The balancer runs, the release can be run at all, and there is room."""
    fleet.route()
    run(fleet, deployment.release, "--version", kind="build", seconds=60)
    limit = fleet.settings.health_disk_fail
    fleet.settings.data_dir.mkdir(parents=True, exist_ok=True)
    for path in {fleet.place.root, fleet.settings.data_dir}:
        usage = shutil.disk_usage(path)
        used = round(100 * (usage.total - usage.free) / usage.total, 1)
        if used >= limit:
            raise Refused(
                "resources", f"The disk of {path} is {used} % full, the limit is {limit:g} %.", disk_percent=used
            )


def back_up(fleet: Fleet, deployment: Deployment) -> None:
    """Take one, unless the newest is fresh. By the release that serves: it knows the database as it is."""
    release = deployment.previous or deployment.release
    listed = printed(fleet, release, "backup", "list", "--json").get("backups", [])
    times = [datetime.fromisoformat(one["created_at"]) for one in listed if one["kind"] in ("database", "full")]
    if times and clock.now() - max(times) < FRESH:
        deployment.figures["backup_age_seconds"] = round((clock.now() - max(times)).total_seconds())
        return
    take = ("backup", "take", "--kind", "database", "--json")
    try:
        made = printed(fleet, release, *take)
    except Refused:
        if deployment.previous is not None:
            raise
        migrate(fleet, deployment)  # the database of a first release may be empty: there is nothing to lose
        made = printed(fleet, release, *take)
    deployment.figures["backup"] = made.get("id")


def migrate(fleet: Fleet, deployment: Deployment) -> None:
    made = printed(fleet, deployment.release, "init", "--json")
    if any(made.get(name) for name in SECRETS):  # said once, by the very first start: nobody else can show them
        write(fleet.place.root / "first_start.json", json.dumps(made, indent=2).encode() + b"\n")


def bring_up(fleet: Fleet, deployment: Deployment) -> None:
    """The new processes beside the old ones, one at a time, each through its gates."""
    for _ in range(fleet.plan.replicas):
        kept = fleet.start("web", deployment.release, deployment.id)
        ready = wait_until_ready(kept, fleet.settings, fleet.log(kept))
        kept.state = "ready"
        found = measure(kept, fleet.settings)
        deployment.figures[kept.name] = {"ready_seconds": ready, **found}
    workers = [fleet.start("worker", deployment.release, deployment.id) for _ in range(fleet.plan.workers)]
    until = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < until:
        for kept in workers:
            if not alive(kept):
                said = last_line(fleet.log(kept)) or "nothing"
                raise Refused("deployment", f"{kept.name} ended right after its start. It said last: {said}")
        time.sleep(0.1)


def switch(fleet: Fleet, deployment: Deployment) -> None:
    fleet.state.serving, fleet.state.leaving = deployment.id, fleet.state.before
    fleet.save()  # before the balancer is told: whoever comes next then knows what it may have been told
    fleet.route()


def verify(fleet: Fleet, deployment: Deployment) -> None:
    """The new release answers where its users ask."""
    good, until = 0, time.monotonic() + VERIFY_SECONDS
    while good < fleet.settings.supervisor_successes:
        good = good + 1 if answers(fleet.plan.public_port, "/health/ready") else 0
        if time.monotonic() > until:
            raise Refused(
                "network", f"The new release did not answer through the balancer within {VERIFY_SECONDS:g} s."
            )
        time.sleep(0.1)
    fleet.state.release, deployment.status = deployment.release, "completed"


STEPS: dict[str, Callable[[Fleet, Deployment], None]] = {
    "check": check,
    "backup": back_up,
    "migrate": migrate,
    "start": bring_up,
    "switch": switch,
    "verify": verify,
}


def run(fleet: Fleet, release: str, *words: str, kind: str = "deployment", seconds: float = COMMAND_SECONDS) -> str:
    """What a command of the release prints. Raises `Refused`."""
    said = f"`quadra {' '.join(words)}` of {release}"
    try:
        done = subprocess.run(
            [str(fleet.place.program(release)), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env=fleet.command_environment(),
            cwd=fleet.place.root,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(kind, f"{said} did not end within {seconds:g} s.") from None
    except OSError as error:
        raise Refused(kind, f"{said} cannot be run: {error.strerror}.") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Refused(kind, f"{said} ended with {done.returncode}: {' '.join(lines[-3:])[:500]}")
    return done.stdout.decode()


def printed(fleet: Fleet, release: str, *words: str) -> dict[str, Any]:
    """The JSON object that a command of the release prints. Raises `Refused`."""
    text = run(fleet, release, *words)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("deployment", f"`quadra {' '.join(words)}` of {release} does not print a JSON object.")
    return found


@contextmanager
def _timed(deployment: Deployment, name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        deployment.steps.append(Step(name=name, seconds=round(time.monotonic() - began, 3)))

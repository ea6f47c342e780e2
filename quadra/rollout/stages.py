"""The steps of a deployment before and while a new release takes over. Each raises `Refused` with what it saw."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from quadra.core import clock
from quadra.core.durable import write_whole
from quadra.core.typed import Typed
from quadra.rollout.fleet import Fleet
from quadra.rollout.gates import Refused, answers, ask_many, measure, wait_until_ready
from quadra.rollout.processes import alive, last_line
from quadra.rollout.records import Deployment, Migration

FRESH = timedelta(hours=1)
"""A backup that is younger is not taken again."""
COMMAND_SECONDS = 3600.0
"""For a backup, and for migrations."""
WORKER_SECONDS = 3.0
"""That a new worker must live; it answers no probe."""
VERIFY_SECONDS = 10.0
SECRETS = ("write_key", "admin_key", "admin_password")
PROGRAM_SECONDS = 60.0


class Plan(msgspec.Struct):
    """What `quadra init --plan --json` prints."""

    at: str | None
    head: str
    pending: list[Migration]
    steps: list[Migration]


_plan = Typed(Plan)


def check(fleet: Fleet, deployment: Deployment) -> None:
    """The balancer runs, the release can be run at all, there is room, and its migrations let the old release go on."""
    fleet.route()
    run(fleet, deployment.release, "--version", kind="build", seconds=PROGRAM_SECONDS)
    limit = fleet.settings.health_disk_fail
    fleet.settings.data_dir.mkdir(parents=True, exist_ok=True)
    for path in {fleet.place.root, fleet.settings.data_dir}:
        usage = shutil.disk_usage(path)
        used = round(100 * (usage.total - usage.free) / usage.total, 1)
        if used >= limit:
            raise Refused(
                "resources", f"The disk of {path} is {used} % full, the limit is {limit:g} %.", disk_percent=used
            )
    _check_migrations(fleet, deployment)


def _check_migrations(fleet: Fleet, deployment: Deployment) -> None:
    state, release = fleet.state, deployment.release
    try:
        plan = _plan.convert(printed(fleet, release, "init", "--plan", "--json"))
    except msgspec.ValidationError as error:
        raise Refused("build", f"`quadra init --plan` of {release} does not say what it migrates: {error}.") from None
    deployment.figures["migrations"] = [one.revision for one in plan.pending]
    state.heads[release] = plan.head
    breaking = [one.revision for one in plan.pending if not one.additive] if plan.at is not None else []
    if breaking:
        says = f"The old release does not work over what these migrations leave: {', '.join(breaking)}."
        raise Refused("deployment", f"{says} Stop it, run `quadra init` of {release}, then deploy.", breaking=breaking)
    known = [one.revision for one in plan.steps]
    if plan.at in known:  # else a newer release has migrated, and what that one said holds
        state.schema, state.migrations = plan.at, plan.steps[: known.index(plan.at) + 1]
    elif plan.at is not None and not state.runs_over_schema(release):
        raise Refused(
            "deployment", f"{release} does not work over the schema {plan.at}, which a newer release has left."
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


def rehearse(fleet: Fleet, deployment: Deployment) -> None:
    """The migrations on a restored copy, where there is one."""
    url = fleet.settings.rollout_rehearsal_url
    if not url or not deployment.figures.get("migrations"):
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=fleet.place.root, prefix="rehearsal-") as directory:
        other = {"DATABASE_URL": url, "QUADRA_DATA_DIR": directory}
        run(fleet, deployment.release, "init", "--json", environment=other)
    deployment.figures["rehearsal_seconds"] = round(time.monotonic() - began, 3)


def migrate(fleet: Fleet, deployment: Deployment) -> None:
    made = printed(fleet, deployment.release, "init", "--json")
    if any(made.get(name) for name in SECRETS):  # said once, by the very first start: nobody else can show them
        write_whole(fleet.place.root / "first_start.json", json.dumps(made, indent=2).encode() + b"\n")
    if deployment.figures.get("migrations"):
        plan = _plan.convert(printed(fleet, deployment.release, "init", "--plan", "--json"))
        fleet.state.schema, fleet.state.migrations = plan.at, plan.steps
        fleet.save()


def bring_up(fleet: Fleet, deployment: Deployment) -> None:
    """The new processes beside the old ones, one at a time, each through its gates."""
    before_ms = _p95_of(fleet)
    for _ in range(fleet.plan.replicas):
        kept = fleet.start("web", deployment.release, deployment.id)
        ready = wait_until_ready(kept, fleet.settings, fleet.log(kept))
        kept.state = "ready"
        found = measure(kept, fleet.settings, before_ms)
        deployment.figures[kept.name] = {"ready_seconds": ready, **found.as_dict()}
    fleet.state.p95_before_ms = before_ms
    workers = [fleet.start("worker", deployment.release, deployment.id) for _ in range(fleet.plan.workers)]
    until = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < until:
        for kept in workers:
            if not alive(kept):
                said = last_line(fleet.log(kept)) or "nothing"
                raise Refused("deployment", f"{kept.name} ended right after its start. It said last: {said}")
        time.sleep(0.1)


def _p95_of(fleet: Fleet) -> float | None:
    """Of the release that serves, under the same load as the new one's. None where it serves nobody, or badly: a release that
    mends that is welcome."""
    for kept in fleet.serving():
        with suppress(OSError):
            if answers(kept.port or 0, "/health/ready"):
                found = ask_many(kept.address, fleet.settings, fleet.settings.supervisor_gate_requests)
                return found.p95_ms if found.errors == 0 else None
    return None


def switch(fleet: Fleet, deployment: Deployment) -> None:
    fleet.state.serving = deployment.id
    for kept in fleet.of("web"):
        kept.leaving = kept.deployment != deployment.id
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


Steps = Mapping[str, Callable[[Fleet, Deployment], None]]
STEPS: Steps = {
    "check": check,
    "rehearse": rehearse,
    "backup": back_up,
    "migrate": migrate,
    "start": bring_up,
    "switch": switch,
    "verify": verify,
}
BACK: Steps = {name: STEPS[name] for name in ("start", "switch", "verify")}
"""To a release that served before: the schema stays, and nothing must be in the way."""


def run(
    fleet: Fleet,
    release: str,
    *words: str,
    kind: str = "deployment",
    seconds: float = COMMAND_SECONDS,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a command of the release prints. Raises `Refused`."""
    said = f"`quadra {' '.join(words)}` of {release}"
    try:
        done = subprocess.run(
            [str(fleet.place.program(release)), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env={**fleet.command_environment(release), **(environment or {})},
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

"""The HTTP doors of backups: list, take, verify, restore, and the moments that can be reached."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from quadra.accounts.access import require
from quadra.accounts.noting import note
from quadra.backup.handlers import TAKE, VERIFY
from quadra.backup.recover.points import RecoveryPoints, recovery_points
from quadra.backup.replica.database_health import DatabaseHealth, database_health
from quadra.backup.replica.status import HEALTHY, UNHEALTHY, WORSE, Health, Replication, replication_status
from quadra.backup.stores import catalogue as kept_backups
from quadra.backup.stores.catalogue import Backup, BackupHealth, BackupId, Kind
from quadra.core import clock
from quadra.core.api.doors import Doors, Other
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params
from quadra.core.errors import Conflict
from quadra.core.web.http import runtime
from quadra.jobs.answers import TheJob, job_shown
from quadra.jobs.queue import MANUAL, enqueue

doors = Doors("backups", __name__)

ROOT = "/api/disaster-recovery"
ATTEMPTS = 2


class Backups(Struct, kw_only=True):
    backups: list[Backup]
    count: int
    kinds: Annotated[list[Kind], Meta(description="Those that can be taken here.")]


class BackupWanted(Struct, kw_only=True):
    kind: Annotated[str, Meta(description="One of `kinds` of the list of backups.", examples=["base"])]


class RestoreWanted(Struct, kw_only=True):
    id: BackupId
    dry_run: Annotated[bool, Meta(examples=[True])] = False


class RestorePlan(Struct, kw_only=True):
    dry_run: bool
    backup: Backup
    command: Annotated[str, Meta(description="To be run on the machine.", examples=["quadra pitr --to latest"])]


class AllChecks(Struct, kw_only=True):
    database: DatabaseHealth
    backups: BackupHealth
    replication: Replication


class RecoveryHealth(Struct, kw_only=True):
    overall_status: Annotated[Health, Meta(examples=["healthy"])]
    timestamp: Time
    checks: AllChecks


@doors(
    "GET",
    f"{ROOT}/backups",
    title="Which backups are there?",
    needs="admin",
    answers=Backups,
    answer_says="Intact backups, newest first.",
)
def list_backups() -> Backups:
    require("admin")
    settings = runtime().settings
    found = kept_backups.entries(settings)
    return Backups(backups=found, count=len(found), kinds=list(kept_backups.kinds(settings)))


@doors(
    "POST",
    f"{ROOT}/backups",
    title="Take a backup",
    says="A worker does it. Its job says how it ended; then the backup is in the list. 409 while one is unfinished.",
    needs="admin",
    asks=Params(BackupWanted),
    answers=TheJob,
    answer_says="The job.",
    status=202,
    refuses=(409,),
)
def take_backup(asked: BackupWanted) -> TheJob:
    require("admin")
    kind = kept_backups.require_kind(runtime().settings, asked.kind)
    return enqueue_noted(TAKE, {"kind": kind}, "backup.backup.requested", kind)


@doors(
    "POST",
    f"{ROOT}/backups/{{backup_id}}/verify",
    title="Verify a backup",
    says="A worker reads all of it. `verified_at` is set when it is sound; the job of a damaged one fails and says what is "
    "wrong.",
    needs="admin",
    named={"backup_id": Param(name="backup_id", shape=BackupId, example="base-20260131T120000.000Z")},
    answers=TheJob,
    answer_says="The job.",
    status=202,
    refuses=(404, 409),
)
def verify_backup(backup_id: str) -> TheJob:
    require("admin")
    found = kept_backups.find(runtime().settings, backup_id)
    return enqueue_noted(VERIFY, {"backup_id": found.id}, "backup.verification.requested", found.id)


@doors(
    "POST",
    f"{ROOT}/restore",
    title="Restore a backup",
    says="A database that is not empty is never restored over from here, and one that answers is not: without `dry_run` it is "
    "always 409, whose message names the command that does it on the machine.",
    needs="admin",
    asks=Params(RestoreWanted),
    answers=RestorePlan,
    answer_says="With `dry_run`: what a restore takes.",
    refuses=(404, 409),
)
def restore(asked: RestoreWanted) -> RestorePlan:
    require("admin")
    backup = kept_backups.find(runtime().settings, asked.id)
    command = _command(backup)
    if asked.dry_run:
        return RestorePlan(dry_run=True, backup=backup, command=command)
    with runtime().database.begin() as session:
        _note(session, "backup.restore.refused", backup.id)
    raise Conflict(
        "This database is not empty: whoever asked is in it. Nothing is restored over it from here. "
        f"On the machine, run: {command}",
        code="not_empty",
    )


@doors(
    "GET",
    f"{ROOT}/recovery-points",
    title="Which moments can be reached?",
    says="Each backup; and with an archive of PostgreSQL's log every moment of a span.",
    needs="admin",
    answers=RecoveryPoints,
    answer_says="Newest first.",
)
def show_recovery_points() -> RecoveryPoints:
    require("admin")
    return recovery_points(runtime().settings)


@doors(
    "GET",
    f"{ROOT}/health/backups",
    title="Are the backups recent enough?",
    needs="admin",
    answers=BackupHealth,
    answer_says="Healthy or degraded.",
    others={503: Other(says="Unhealthy.", when=lambda answer: answer.status == UNHEALTHY)},
)
def show_backup_health() -> BackupHealth:
    require("admin")
    return kept_backups.health(runtime().settings)


@doors(
    "GET",
    f"{ROOT}/health/detailed",
    title="Database, backups and replicas in one",
    needs="admin",
    answers=RecoveryHealth,
    answer_says="Healthy or degraded.",
    others={503: Other(says="Unhealthy.", when=lambda answer: answer.overall_status == UNHEALTHY)},
)
def show_health() -> RecoveryHealth:
    require("admin")
    settings = runtime().settings
    checks = AllChecks(
        database=database_health(runtime()),
        backups=kept_backups.health(settings),
        replication=replication_status(settings),
    )
    said = (checks.database.overall_status, checks.backups.status, checks.replication.overall_status)
    overall = max((status for status in WORSE if status in said), key=WORSE.index, default=HEALTHY)
    return RecoveryHealth(overall_status=overall, timestamp=clock.iso(clock.now()), checks=checks)


def _command(found: Backup) -> str:
    return "quadra pitr --to latest" if found.kind == "base" else f"quadra restore --id {found.id} --yes"


def enqueue_noted(kind: str, args: dict[str, Any], action: str, subject: str) -> TheJob:
    with runtime().database.begin() as session:
        unique = f"{kind}:{args.get('backup_id', '')}"
        job = enqueue(session, kind=kind, args=args, max_attempts=ATTEMPTS, unique_as=unique, trigger=MANUAL)
        _note(session, action, subject)
        return TheJob(job=job_shown(job, whole=True))


def _note(session: Any, action: str, subject: str) -> None:
    note(session, action, subject=subject)

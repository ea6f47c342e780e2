"""The HTTP doors of backups: list, take, verify, restore, and the moments that can be reached."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import caller, require
from quadra.backup.handlers import TAKE, VERIFY
from quadra.backup.recover.points import recovery_points
from quadra.backup.replica.database_health import database_health
from quadra.backup.replica.status import HEALTHY, UNHEALTHY, WORSE, replication_status
from quadra.backup.stores import catalogue as kept_backups
from quadra.core import clock
from quadra.core.errors import Conflict, Invalid
from quadra.core.web.http import json_body, runtime
from quadra.core.web.limits import client_address
from quadra.jobs.answers import job_body
from quadra.jobs.queue import MANUAL, enqueue

blueprint = Blueprint("backups", __name__, url_prefix="/api/disaster-recovery")

ATTEMPTS = 2


@blueprint.get("/backups")
def list_backups() -> ResponseReturnValue:
    """Newest first."""
    require("admin")
    settings = runtime().settings
    found = kept_backups.entries(settings)
    return {"backups": found, "count": len(found), "kinds": list(kept_backups.kinds(settings))}


@blueprint.post("/backups")
def take_backup() -> ResponseReturnValue:
    """`{kind}`. 202 with the job that takes it; 409 while one is unfinished."""
    require("admin")
    kind = kept_backups.require_kind(runtime().settings, json_body().get("kind"))
    return _enqueue(TAKE, {"kind": kind}, "backup.backup.requested", kind), 202


@blueprint.post("/backups/<backup_id>/verify")
def verify_backup(backup_id: str) -> ResponseReturnValue:
    """202 with the job that reads it all; a damaged one ends as a dead letter that says where."""
    require("admin")
    found = kept_backups.find(runtime().settings, backup_id)
    return _enqueue(VERIFY, {"backup_id": found["id"]}, "backup.verification.requested", found["id"]), 202


@blueprint.post("/restore")
def restore() -> ResponseReturnValue:
    """`{id, dry_run}`. A Quadra that answers has a database that is not empty, so anything but a dry run is refused."""
    require("admin")
    body, settings = json_body(), runtime().settings
    if not isinstance(body.get("id"), str):
        raise Invalid("Name the backup.", fields={"id": "the id of a backup"})
    if not isinstance(body.get("dry_run", False), bool):
        raise Invalid("A field has the wrong type.", fields={"dry_run": "true or false"})
    found = kept_backups.find(settings, body["id"])
    command = _command(found)
    if body.get("dry_run"):
        return {"dry_run": True, "backup": found, "command": command}
    _record("backup.restore.refused", found["id"])
    raise Conflict(
        "This database is not empty: whoever asked is in it. Nothing is restored over it from here. "
        f"On the machine, run: {command}",
        code="not_empty",
    )


@blueprint.get("/recovery-points")
def show_recovery_points() -> ResponseReturnValue:
    require("admin")
    return recovery_points(runtime().settings)


@blueprint.get("/health/backups")
def show_backup_health() -> ResponseReturnValue:
    """503 when unhealthy."""
    require("admin")
    found = kept_backups.health(runtime().settings)
    return found, 503 if found["status"] == UNHEALTHY else 200


@blueprint.get("/health/detailed")
def show_health() -> ResponseReturnValue:
    """The database, the replicas and the backups in one; 503 when one is unhealthy."""
    require("admin")
    database, backups = database_health(runtime()), kept_backups.health(runtime().settings)
    replication = replication_status(runtime().settings)
    checks = {"database": database, "backups": backups, "replication": replication}
    said = [str(found.get("overall_status") or found["status"]) for found in checks.values()]
    overall = max((status for status in said if status in WORSE), key=WORSE.index, default=HEALTHY)
    body = {"overall_status": overall, "timestamp": clock.iso(clock.now()), "checks": checks}
    return body, 503 if overall == UNHEALTHY else 200


def _command(found: dict[str, Any]) -> str:
    if found["kind"] == "base":
        return "quadra pitr --to latest"
    return f"quadra restore --id {found['id']} --yes"


def _enqueue(kind: str, args: dict[str, Any], action: str, subject: str) -> dict[str, Any]:
    with runtime().database.begin() as session:
        unique = f"{kind}:{args.get('backup_id', '')}"
        job = enqueue(session, kind=kind, args=args, max_attempts=ATTEMPTS, unique_as=unique, trigger=MANUAL)
        _note(session, action, subject)
        return {"job": job_body(job, whole=True)}


def _record(action: str, subject: str) -> None:
    with runtime().database.begin() as session:
        _note(session, action, subject)


def _note(session: Any, action: str, subject: str) -> None:
    audit.record(session, actor=caller().actor, action=action, subject=subject, address=client_address())

"""The HTTP doors of recovery, under `/api/disaster-recovery`, for admins of the installation."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import Credentials, admit, require
from quadra.backup.dumps.databases import opened
from quadra.backup.replica.database_health import database_health
from quadra.backup.replica.promotion import Outcome, Wanted, promote
from quadra.backup.replica.sides import address, replica_url
from quadra.backup.replica.status import UNHEALTHY, replication_status
from quadra.core.errors import Forbidden, Invalid, Unavailable
from quadra.core.settings import Settings
from quadra.core.web.http import json_body, request_id, runtime
from quadra.core.web.limits import client_address

blueprint = Blueprint("backup", __name__, url_prefix="/api/disaster-recovery")

WAIT_SECONDS = 5.0
"""For a replica to notice that its primary is gone: a request must not take a minute. Asking again is harmless."""


@blueprint.get("/replication/status")
def show_replication() -> ResponseReturnValue:
    """What both sides say."""
    require("admin")
    return replication_status(runtime().settings)


@blueprint.post("/replication/failover")
def fail_over() -> ResponseReturnValue:
    """`{target, confirm_fenced, dry_run}`: 200 with every check when promoted, 409 with every check when refused."""
    body = json_body()
    settings = runtime().settings
    target, flags = (
        body.get("target"),
        {name: _flag(body, name) for name in ("confirm_fenced", "accept_loss", "dry_run")},
    )
    by = _admin(settings, target)
    _must_be_known(settings, target)
    wanted = Wanted(str(target), wait_seconds=WAIT_SECONDS, actor=by, address=client_address(), **flags)
    outcome = promote(settings, wanted)
    if outcome.ok:
        return outcome.as_dict()
    _record_refusal(outcome, by)
    failed = "; ".join(f"{step.name}: {step.message}" for step in outcome.failed)
    error = {"code": "refused", "message": failed, "fields": {}, "request_id": request_id()}
    return {"error": error, **outcome.as_dict()}, 409


@blueprint.get("/health/database")
def show_database_health() -> ResponseReturnValue:
    """503 when unhealthy."""
    require("admin")
    found = database_health(runtime())
    return found, 503 if found["overall_status"] == UNHEALTHY else 200


def _admin(settings: Settings, target: Any) -> str:
    """Who asks. When the primary is what is lost, the replica knows the keys just as well: they were replicated."""
    try:
        return require("admin").actor
    except Unavailable:
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not isinstance(target, str) or target not in settings.replicas:
            raise
    with opened(replica_url(settings, target)) as database:
        found = admit(database, Credentials(key=plain.strip()), "admin")
    if found.projects is not None:
        raise Forbidden("This key belongs to one project; use an admin key of the project 'default'.")
    return found.actor


def _must_be_known(settings: Settings, target: Any) -> None:
    """Only what the settings name: the database's password is sent to the target."""
    if not isinstance(target, str) or not target:
        raise Invalid("Name the replica.", fields={"target": "a string, one of QUADRA_REPLICAS"})
    if target not in settings.replicas:
        known = ", ".join(address(replica_url(settings, each)) for each in settings.replicas) or "which is empty"
        raise Invalid(f"{target!r} is none of QUADRA_REPLICAS: {known}.", fields={"target": "one of QUADRA_REPLICAS"})


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Invalid("A field has the wrong type.", fields={name: "true or false"})
    return value


def _record_refusal(outcome: Outcome, by: str) -> None:
    """In the audit log, where there is a database to keep one."""
    try:
        with runtime().database.begin() as session:
            audit.record(
                session,
                actor=by,
                action="backup.failover.refused",
                subject=outcome.target,
                address=client_address(),
                details={"failed": [step.name for step in outcome.failed], "dry_run": outcome.dry_run},
            )
    except Unavailable:
        return  # the refusal itself is in the answer

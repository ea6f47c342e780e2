"""The HTTP doors of recovery, under `/api/disaster-recovery`, for admins of the installation."""

from __future__ import annotations

from typing import Annotated

from flask import request
from msgspec import Meta, Struct, structs

from quadra.accounts import audit
from quadra.accounts.access import Credentials, admit, require, require_role
from quadra.backup.backup_routes import ROOT
from quadra.backup.dumps.databases import opened
from quadra.backup.replica.database_health import DatabaseHealth, database_health
from quadra.backup.replica.promotion import Failover, Outcome, Wanted, promote, shown
from quadra.backup.replica.promotion_checks import FAIL, PromotionStep
from quadra.backup.replica.sides import address, replica_url
from quadra.backup.replica.status import UNHEALTHY, Replication, replication_status
from quadra.core.api.doors import Doors, Other
from quadra.core.api.openapi_shapes import Problem
from quadra.core.api.params import Params
from quadra.core.errors import Forbidden, Invalid, Unavailable
from quadra.core.settings import Settings
from quadra.core.web.http import request_id, runtime
from quadra.core.web.limits import client_address

doors = Doors("backup", __name__)

WAIT_SECONDS = 5.0
"""For a replica to notice that its primary is gone: a request must not take a minute. Asking again is harmless."""


class FailoverWanted(Struct, kw_only=True):
    target: Annotated[str, Meta(description="One of QUADRA_REPLICAS.", examples=["10.0.0.12:5432"])]
    confirm_fenced: Annotated[
        bool, Meta(description="Your word that the old primary cannot write any more.", examples=[True])
    ] = False
    accept_loss: Annotated[bool, Meta(description="Also where more may be lost than is usual, or nobody knows.")] = (
        False
    )
    dry_run: Annotated[bool, Meta(description="Make every check, change nothing.", examples=[True])] = False


class FailoverRefused(Failover, kw_only=True):
    error: Problem


REFUSED = FailoverRefused(
    ok=False,
    target="10.0.0.12:5432",
    dry_run=False,
    promoted=False,
    timeline=None,
    steps=[PromotionStep("primary as seen from here", FAIL, "10.0.0.11:5432 answers: it is alive.")],
    may_be_lost=None,
    next_steps=[],
    error=Problem(
        code="refused",
        message="primary as seen from here: 10.0.0.11:5432 answers: it is alive.",
        fields={},
        request_id="0198…",
    ),
)


def _may_be_admin() -> None:
    """When the primary is what is lost, `_admin` asks the replica."""
    try:
        require_role("admin")
    except Unavailable:
        return


@doors(
    "GET",
    f"{ROOT}/replication/status",
    title="Do the replicas follow?",
    says="What the primary says of its replicas, and each of QUADRA_REPLICAS of itself.",
    needs="admin",
    answers=Replication,
    answer_says="`not_enabled` where there are none.",
)
def show_replication() -> Replication:
    require("admin")
    return replication_status(runtime().settings)


@doors(
    "POST",
    f"{ROOT}/replication/failover",
    title="Promote a replica",
    says="Assisted, not automatic: every check is made and shown. While the primary is lost, an admin key is looked up in the "
    "replica itself.",
    needs="admin",
    gated=False,
    first=_may_be_admin,
    asks=Params(FailoverWanted),
    answers=Failover,
    answer_says="It is the primary now, or with `dry_run` it can be.",
    others={
        409: Other(
            says="Refused; the failed steps say why. Nothing was changed.",
            shape=FailoverRefused,
            example=REFUSED,
            when=lambda answer: isinstance(answer, FailoverRefused),
        )
    },
)
def fail_over(asked: FailoverWanted) -> Failover:
    settings = runtime().settings
    by = _admin(settings, asked.target)
    _must_be_known(settings, asked.target)
    wanted = Wanted(**structs.asdict(asked), wait_seconds=WAIT_SECONDS, actor=by, address=client_address())
    outcome = promote(settings, wanted)
    if outcome.ok:
        return shown(outcome)
    _record_refusal(outcome, by)
    failed = "; ".join(f"{step.name}: {step.message}" for step in outcome.failed)
    error = Problem(code="refused", message=failed, fields={}, request_id=request_id())
    return FailoverRefused(**structs.asdict(shown(outcome)), error=error)


@doors(
    "GET",
    f"{ROOT}/health/database",
    title="How is the database?",
    needs="admin",
    answers=DatabaseHealth,
    answer_says="Healthy or degraded.",
    others={
        503: Other(
            says="Unhealthy; or it does not answer at all, which is an error.",
            when=lambda answer: answer.overall_status == UNHEALTHY,
        )
    },
)
def show_database_health() -> DatabaseHealth:
    require("admin")
    return database_health(runtime())


def _admin(settings: Settings, target: str) -> str:
    """Who asks. When the primary is what is lost, the replica knows the keys just as well: they were replicated."""
    try:
        return require("admin").actor
    except Unavailable:
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or target not in settings.replicas:
            raise
    with opened(replica_url(settings, target)) as database:
        found = admit(database, Credentials(key=plain.strip()), "admin")
    if found.projects is not None:
        raise Forbidden("This key belongs to one project; use an admin key of the project 'default'.")
    return found.actor


def _must_be_known(settings: Settings, target: str) -> None:
    """Only what the settings name: the database's password is sent to the target."""
    if target not in settings.replicas:
        known = ", ".join(address(replica_url(settings, each)) for each in settings.replicas) or "which is empty"
        raise Invalid(f"{target!r} is none of QUADRA_REPLICAS: {known}.", fields={"target": "one of QUADRA_REPLICAS"})


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

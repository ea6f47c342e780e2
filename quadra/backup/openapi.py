"""The doors of recovery, described. A new route of this room is described here."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from quadra.core.api.openapi import Answer, Body, Door, Group, Param, Time
from quadra.core.api.openapi_shapes import Problem
from quadra.jobs.answers import TheJob

Health = Literal["healthy", "degraded", "unhealthy"]
ROOT = "/api/disaster-recovery"


class StreamingReplica(Struct):
    """As the primary sees it."""

    client_addr: str | None
    name: str
    state: str | None
    sync_state: str | None
    sync_priority: int | None
    lag_bytes: int | None
    lag_seconds: float | None
    status: Health
    message: str


class Replication(Struct, omit_defaults=True):
    replication_enabled: bool
    replica_count: int
    overall_status: Literal["healthy", "degraded", "unhealthy", "not_enabled"]
    message: str
    timestamp: Time
    replicas: list[StreamingReplica]
    configured: list[dict[str, Any]]
    primary: str | None = None
    lsn: str | None = None
    timeline: int | None = None
    synchronous: bool | None = None


class PromotionStep(Struct):
    name: str
    status: Literal["pass", "warn", "fail"]
    message: str


class PossibleLoss(Struct):
    nothing: bool
    known_bytes: int | None
    message: str


class Failover(Struct):
    ok: bool
    target: str
    dry_run: bool
    promoted: bool
    timeline: int | None
    steps: list[PromotionStep]
    may_be_lost: PossibleLoss | None
    next_steps: list[str]


class FailoverRefused(Failover):
    error: Problem


class FailoverWanted(Struct):
    target: str
    confirm_fenced: bool = False
    accept_loss: bool = False
    dry_run: bool = False


class DatabaseHealth(Struct):
    overall_status: Health
    timestamp: Time
    checks: dict[str, dict[str, Any]]


class Backups(Struct):
    backups: list[dict[str, Any]]
    count: int
    kinds: list[str]


class BackupWanted(Struct):
    kind: str


class RestoreWanted(Struct):
    id: str
    dry_run: bool = False


class RestorePlan(Struct):
    dry_run: bool
    backup: dict[str, Any]
    command: str


class RecoveryPoints(Struct):
    points: list[dict[str, Any]]
    continuous: dict[str, Any]


class BackupHealth(Struct):
    status: Health
    backup_count: int
    most_recent_backup: dict[str, Any] | None
    total_backup_size_mb: float
    message: str
    timestamp: Time


ID = "base-20260131T120000.000Z"
A_BACKUP = {
    "id": ID,
    "kind": "base",
    "created_at": "2026-01-31T12:00:00.000Z",
    "bytes": 19_922_944,
    "verified_at": None,
}
FAILOVER = {
    "target": "10.0.0.12:5432",
    "dry_run": False,
    "steps": [{"name": "target answers", "status": "pass", "message": "10.0.0.12:5432, cluster 7711745817038096158"}],
    "may_be_lost": {"nothing": True, "known_bytes": 0, "message": "Nothing that was acknowledged."},
}

GROUPS = (
    Group(
        title="Recovery",
        says="Backups, replicas and the way back. See docs/disaster-recovery.md.",
        doors=(
            Door(
                method="GET",
                path=f"{ROOT}/replication/status",
                title="Do the replicas follow?",
                says="What the primary says of its replicas, and each of QUADRA_REPLICAS of itself.",
                needs="admin",
                answers={
                    200: Answer(
                        says="`not_enabled` where there are none.",
                        shape=Replication,
                        example={
                            "replication_enabled": False,
                            "replica_count": 0,
                            "overall_status": "not_enabled",
                            "message": "SQLite has no replicas: losing this machine means restoring a backup.",
                            "timestamp": "2026-01-31T12:00:00.000Z",
                            "replicas": [],
                            "configured": [],
                        },
                    )
                },
                refuses=(503,),
            ),
            Door(
                method="POST",
                path=f"{ROOT}/replication/failover",
                title="Promote a replica",
                says="Assisted, not automatic: every check is made and shown. While the primary is lost, an admin key is "
                "looked up in the replica itself.",
                needs="admin",
                body=Body(
                    shape=FailoverWanted,
                    example={"target": "10.0.0.12:5432", "confirm_fenced": True, "dry_run": True},
                ),
                answers={
                    200: Answer(
                        says="It is the primary now, or with `dry_run` it can be.",
                        shape=Failover,
                        example={**FAILOVER, "ok": True, "promoted": True, "timeline": 2, "next_steps": []},
                    ),
                    409: Answer(
                        says="Refused; the failed steps say why. Nothing was changed.",
                        shape=FailoverRefused,
                    ),
                },
                refuses=(503,),
            ),
            Door(
                method="GET",
                path=f"{ROOT}/health/database",
                title="How is the database?",
                needs="admin",
                answers={
                    200: Answer(says="Healthy or degraded.", shape=DatabaseHealth),
                    503: Answer(
                        says="Unhealthy; or it does not answer at all, which is an error.", shape=dict[str, Any]
                    ),
                },
            ),
            Door(
                method="GET",
                path=f"{ROOT}/backups",
                title="Which backups are there?",
                says="Newest first. `kinds` are those that can be taken here.",
                needs="admin",
                answers={
                    200: Answer(
                        says="All that are whole.",
                        shape=Backups,
                        example={"backups": [A_BACKUP], "count": 1, "kinds": ["base"]},
                    )
                },
            ),
            Door(
                method="POST",
                path=f"{ROOT}/backups",
                title="Take a backup",
                says="A worker does it. Its job says how it ended; then the backup is in the list.",
                needs="admin",
                body=Body(shape=BackupWanted, example={"kind": "base"}),
                answers={202: Answer(says="The job.", shape=TheJob)},
                refuses=(409,),
            ),
            Door(
                method="POST",
                path=f"{ROOT}/backups/{{backup_id}}/verify",
                title="Verify a backup",
                says="A worker reads all of it. `verified_at` is set when it is sound; the job of a damaged one fails and "
                "says what is wrong.",
                needs="admin",
                params=(Param(name="backup_id", shape=str, example=ID),),
                answers={202: Answer(says="The job.", shape=TheJob)},
                refuses=(404, 409),
            ),
            Door(
                method="POST",
                path=f"{ROOT}/restore",
                title="Restore a backup",
                says="A database that is not empty is never restored over from here; the answer names the command that does it "
                "on the machine.",
                needs="admin",
                body=Body(shape=RestoreWanted, example={"id": ID, "dry_run": True}),
                answers={200: Answer(says="With `dry_run`: what a restore takes.", shape=RestorePlan)},
                refuses=(404, 409),
            ),
            Door(
                method="GET",
                path=f"{ROOT}/recovery-points",
                title="Which moments can be reached?",
                says="Each backup; and with an archive of PostgreSQL's log every moment of a span.",
                needs="admin",
                answers={200: Answer(says="Newest first.", shape=RecoveryPoints)},
            ),
            Door(
                method="GET",
                path=f"{ROOT}/health/backups",
                title="Are the backups young enough?",
                needs="admin",
                answers={
                    200: Answer(says="Healthy or degraded.", shape=BackupHealth),
                    503: Answer(says="Unhealthy.", shape=dict[str, Any]),
                },
            ),
            Door(
                method="GET",
                path=f"{ROOT}/health/detailed",
                title="Database, backups and replicas in one",
                needs="admin",
                answers={
                    200: Answer(says="Healthy or degraded.", shape=DatabaseHealth),
                    503: Answer(says="Unhealthy.", shape=dict[str, Any]),
                },
            ),
        ),
    ),
)

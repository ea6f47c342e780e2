"""The schedule of backups over HTTP: when what is due, when it was done lately, and run it now."""

from __future__ import annotations

from typing import Annotated, Literal

from cronsim import CronSim
from msgspec import Meta, Struct

from quadra.accounts.access import require
from quadra.backup.backup_routes import ROOT, enqueue_noted
from quadra.backup.handlers import TAKE, VERIFY
from quadra.backup.schedule import CONTAINED, PRUNE, entries
from quadra.backup.schedule import VERIFY as VERIFICATION
from quadra.backup.stores import catalogue as kept_backups
from quadra.backup.stores.catalogue import Backup
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.errors import Conflict, NotFound
from quadra.core.web.http import runtime
from quadra.jobs.answers import TheJob

doors = Doors("backup_schedule", __name__)

What = Literal["base", "models", "database", "full", "prune", "verify"]
LATELY = 10


class Scheduled(Struct, kw_only=True):
    what: What
    cron: Annotated[str, Meta(description="Minute, hour, day, month, day of the week; UTC.", examples=["0 2 * * *"])]
    next_at: Time
    done: Annotated[list[Time], Meta(description="When it was done, the latest first, as far as backups are kept.")]
    runs: Annotated[bool, Meta(description="Whether it can be run at once from here.")]


class Schedule(Struct, kw_only=True):
    on: Annotated[bool, Meta(description="Whether workers keep it; cron may instead.")]
    schedule: list[Scheduled]


@doors(
    "GET",
    f"{ROOT}/schedule",
    title="What is done by the clock?",
    says="When next, and when it was done lately, by the clock or by hand.",
    needs="admin",
    answers=Schedule,
)
def show_schedule() -> Schedule:
    require("admin")
    settings = runtime().settings
    kept = kept_backups.entries(settings)
    return Schedule(
        on=settings.backup_schedule,
        schedule=[
            Scheduled(
                what=entry.what,  # type: ignore[arg-type]
                cron=entry.cron,
                next_at=clock.iso(next(CronSim(entry.cron, clock.now()))),
                done=_done(entry.what, kept)[:LATELY],
                runs=entry.what != PRUNE and (entry.what != VERIFICATION or bool(kept)),
            )
            for entry in entries(settings)
        ],
    )


@doors(
    "POST",
    f"{ROOT}/schedule/{{what}}/run",
    title="Do now what the schedule does",
    says="A worker does it; the times of the schedule stay. 409 while one is unfinished, and where nothing can be verified. Old "
    "backups are removed by the clock alone.",
    needs="admin",
    named={"what": Param(name="what", shape=str, example="database")},
    answers=TheJob,
    answer_says="The job.",
    status=202,
    refuses=(404, 409),
)
def run_now(what: str) -> TheJob:
    require("admin")
    settings = runtime().settings
    if what == PRUNE or what not in {entry.what for entry in entries(settings)}:
        raise NotFound(f"{what!r} is nothing that can be run from here.")
    if what == VERIFICATION:
        kept = kept_backups.entries(settings)
        if not kept:
            raise Conflict("There is no backup yet. Take one first.")
        return enqueue_noted(VERIFY, {"backup_id": kept[0].id}, "backup.verification.requested", kept[0].id)
    return enqueue_noted(TAKE, {"kind": what}, "backup.backup.requested", what)


def _done(what: str, kept: list[Backup]) -> list[str]:
    if what == VERIFICATION:
        return sorted((one.verified_at for one in kept if one.verified_at), reverse=True)
    return [one.created_at for one in kept if one.kind in CONTAINED.get(what, (what,))]

"""The HTTP doors of sinks: how they stand, for viewers; pause, resume and replay, for editors of the installation."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import require
from quadra.accounts.noting import note
from quadra.accounts.projects import list_projects
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says, within
from quadra.core.web.http import runtime
from quadra.sinks import verbs
from quadra.sinks.answers import Quarantine, Replayed, SinkList, TheSink, row_shown, sink_shown
from quadra.sinks.registry import Listed
from quadra.sinks.state import sink_states
from quadra.sinks.tables import QuarantinedEvent

doors = Doors("sinks", __name__)

NAME = {"name": Param(name="name", shape=Literal["kafka", "bigquery", "clickhouse"], example="kafka")}


class Range(Struct, kw_only=True, rename={"from_": "from"}):
    from_: Annotated[str, says("Batches that received events from here on.", "2026-01-01T00:00:00Z")]
    to: Annotated[str | None, says("Until here; a date means through its end; left out: now.")] = None


class Which(Struct, kw_only=True):
    limit: Annotated[int, within(1, 1000, "How many, the latest first.")] = 50


@doors(
    "GET",
    "/api/sinks",
    title="List sinks",
    says="Those that are configured. For a key of one project the numbers are that project's.",
    needs="viewer",
    answers=SinkList,
)
def show_sinks() -> SinkList:
    by, here = require("viewer"), runtime()
    with here.database.read() as session:
        states = sink_states(session, here.settings, None if by.sees_installation else by.projects)
    return SinkList(sinks=[sink_shown(state) for state in states])


@doors(
    "POST",
    "/api/sinks/{name}/pause",
    title="Pause a sink",
    says="What is sealed from now on waits. 409 where it is paused already.",
    needs="editor",
    named=NAME,
    answers=TheSink,
    refuses=(404, 409),
)
def pause_sink(name: str) -> TheSink:
    return _decided(name, "paused")


@doors(
    "POST",
    "/api/sinks/{name}/resume",
    title="Resume a sink",
    says="What waited is delivered, in its order. 409 where it is not paused.",
    needs="editor",
    named=NAME,
    answers=TheSink,
    refuses=(404, 409),
)
def resume_sink(name: str) -> TheSink:
    return _decided(name, "resumed")


@doors(
    "POST",
    "/api/sinks/{name}/replay",
    title="Deliver again",
    says="Every batch that received events in the range is delivered once more, with the same event ids.",
    needs="editor",
    named=NAME,
    asks=Params(Range),
    answers=Replayed,
    answer_says="They wait in the queue.",
    status=202,
    refuses=(404,),
)
def replay_sink(asked: Range, name: str) -> Replayed:
    require("editor")
    here = runtime()
    sink = verbs.find(here.settings, name)
    start, end = verbs.read_range(asked.from_, asked.to)
    count = verbs.replay(here.database, sink, start=start, end=end)
    with here.database.begin() as session:
        _record(session, sink, "replayed", {"from": clock.iso(start), "to": clock.iso(end), "batches": count})
    return Replayed(name=sink.name, batches=count, status="queued")


@doors(
    "GET",
    "/api/sinks/{name}/quarantine",
    title="List what a sink refused",
    says="Events that the other side refused for what they hold. They are not sent again, except by a replay.",
    needs="viewer",
    named=NAME,
    asks=Params(Which),
    answers=Quarantine,
    refuses=(404,),
)
def show_quarantine(asked: Which, name: str) -> Quarantine:
    by, here = require("viewer"), runtime()
    sink = verbs.find(here.settings, name)
    which = QuarantinedEvent.sink == sink.name
    if by.projects is not None:
        which = sa.and_(which, QuarantinedEvent.project_id.in_(by.projects))
    latest = sa.select(QuarantinedEvent).where(which).order_by(QuarantinedEvent.at.desc(), QuarantinedEvent.id)
    with here.database.read() as session:
        slugs = {project.id: project.slug for project in list_projects(session)}
        rows = [row_shown(row, slugs.get(row.project_id)) for row in session.scalars(latest.limit(asked.limit))]
        total = session.scalar(sa.select(sa.func.count()).select_from(QuarantinedEvent).where(which)) or 0
    return Quarantine(rows=rows, count=len(rows), total=total)


def _decided(name: str, deed: Literal["paused", "resumed"]) -> TheSink:
    require("editor")
    here = runtime()
    sink = verbs.find(here.settings, name)
    with here.database.begin() as session:
        (verbs.pause if deed == "paused" else verbs.resume)(session, sink)
        _record(session, sink, deed)
    with here.database.read() as session:
        states = sink_states(session, here.settings)
    return TheSink(sink=next(sink_shown(state) for state in states if state.name == name))


def _record(session: Session, sink: Listed, deed: str, details: dict[str, object] | None = None) -> None:
    note(session, f"sinks.sink.{deed}", subject=sink.name, details=details)

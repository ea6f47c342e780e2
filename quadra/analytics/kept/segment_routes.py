"""The doors of segments of people."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from quadra.accounts.access import caller, require_owned, require_project
from quadra.accounts.params import OF_KEY
from quadra.accounts.projects import check_room
from quadra.accounts.tables import Project
from quadra.analytics.kept.doors import KEPT_MOST, Gone, Listing, given_names, listed, note
from quadra.analytics.kept.segments import Rule, find_segment
from quadra.analytics.tables import NAME_MOST, SegmentOfPeople
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params
from quadra.core.errors import Invalid
from quadra.core.web.http import runtime

PARTS = ("where", "did", "did_not")


class NewSegment(Rule, kw_only=True):
    """People who fit all of it."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_MOST, examples=["Bought twice"])]
    project: Annotated[str | None, OF_KEY] = None


class SegmentChange(Rule, kw_only=True):
    """What is left out stays; null empties a part."""

    name: Annotated[str, Meta(max_length=NAME_MOST)] | None = None


class KeptSegment(Struct, kw_only=True):
    id: str
    project: str
    name: str
    where: dict[str, Any]
    did: list[dict[str, Any]]
    did_not: list[dict[str, Any]]
    created_at: Time
    created_by: str


class KeptSegments(Struct, kw_only=True):
    segments: list[KeptSegment]
    cursor: str | None


doors = Doors("people_segments", __name__)
NEW, CHANGE, LISTING = Params(NewSegment), Params(SegmentChange), Params(Listing)
IDS = {"segment_id": Param(name="segment_id", shape=str, example="019be0c4-3c00-7000-8000-000000000002")}


@doors(
    "GET",
    "/api/segments",
    title="List segments",
    answers=KeptSegments,
    answer_says="Newest first.",
    asks=LISTING,
    needs="viewer",
    refuses=(404,),
)
def list_people_segments(asked: Listing) -> KeptSegments:
    project = require_project(asked.project, "viewer")
    with runtime().database.read() as session:
        rows, cursor = listed(session, SegmentOfPeople, project.id, asked)
        return KeptSegments(segments=[_shown(row, project) for row in rows], cursor=cursor)


@doors(
    "POST",
    "/api/segments",
    title="Make a segment",
    says="A question with `segment=` counts only the events of people who fit all of it. Audited.",
    answers=KeptSegment,
    asks=NEW,
    needs="editor",
    status=201,
    refuses=(404, 409),
)
def add_segment(asked: NewSegment) -> KeptSegment:
    project = require_project(asked.project, "editor")
    row = SegmentOfPeople(
        project_id=project.id, name=asked.name.strip(), rule=asked.kept, created_by=caller().actor[:300]
    )
    _check(row)
    with runtime().database.begin() as session:
        check_room(session, SegmentOfPeople, project.id, KEPT_MOST, "segments")
        session.add(row)
        session.flush()
        note(session, "segment.created", row, project, {"name": row.name})
        return _shown(row, project)


@doors(
    "PATCH",
    "/api/segments/{segment_id}",
    title="Change a segment",
    says="What is left out stays; null empties a part. Audited.",
    answers=KeptSegment,
    asks=CHANGE,
    named=IDS,
    needs="viewer",
    refuses=(404,),
)
def change_segment(asked: SegmentChange, segment_id: str) -> KeptSegment:
    given = given_names()
    with runtime().database.begin() as session:
        row, project = require_owned(session, find_segment(session, segment_id), "editor", "segment")
        if "name" in given:
            row.name = asked.name or ""
        new = asked.kept
        row.rule = {part: new[part] if {part, part.replace("_n", "N")} & given else row.rule[part] for part in PARTS}
        _check(row)
        note(session, "segment.changed", row, project, {"name": row.name})
        return _shown(row, project)


@doors(
    "DELETE",
    "/api/segments/{segment_id}",
    title="Delete a segment",
    says="Audited.",
    answers=Gone,
    named=IDS,
    needs="viewer",
    refuses=(404,),
)
def remove_segment(segment_id: str) -> Gone:
    with runtime().database.begin() as session:
        row, project = require_owned(session, find_segment(session, segment_id), "editor", "segment")
        session.delete(row)
        note(session, "segment.deleted", row, project, {"name": row.name})
    return Gone(success=True)


def _check(row: SegmentOfPeople) -> None:
    """Raises `Invalid`."""
    wrong = {}
    if not row.name.strip() or not row.name.isprintable():
        wrong["name"] = f"1 to {NAME_MOST} printable characters"
    if not any(row.rule[part] for part in PARTS):
        wrong["where"] = "one of where, did and did_not is needed"
    if wrong:
        raise Invalid("The segment cannot be kept like this.", fields=wrong)


def _shown(row: SegmentOfPeople, project: Project) -> KeptSegment:
    return KeptSegment(
        id=row.id,
        project=project.slug,
        name=row.name,
        **row.rule,
        created_at=clock.iso(row.created_at),
        created_by=row.created_by,
    )

"""The doors of segments of people."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller
from quadra.accounts.params import OF_KEY
from quadra.accounts.project_rows import ProjectRows, each
from quadra.accounts.tables import Project
from quadra.analytics.kept.segments import Rule
from quadra.analytics.tables import KEPT_MOST, NAME_MOST, SegmentOfPeople
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params
from quadra.core.errors import Invalid
from quadra.core.web.http import json_body

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


def _make(_session: Session, asked: NewSegment, project: Project) -> SegmentOfPeople:
    row = SegmentOfPeople(
        project_id=project.id, name=asked.name.strip(), rule=asked.kept, created_by=caller().actor[:300]
    )
    _check(row)
    return row


def _change(_session: Session, asked: SegmentChange, row: SegmentOfPeople, _project: Project) -> None:
    given = set(json_body())  # also what says null: what is left out stays
    if "name" in given:
        row.name = asked.name or ""
    new = asked.kept
    row.rule = {part: new[part] if {part, part.replace("_n", "N")} & given else row.rule[part] for part in PARTS}
    _check(row)


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


ROWS = ProjectRows(
    doors,
    SegmentOfPeople,
    "/api/segments",
    "segment",
    answers=KeptSegment,
    shown=each(_shown),
    action="analytics.segment",
    most=KEPT_MOST,
)
ROWS.pages(KeptSegments)
ROWS.makes(
    Params(NewSegment),
    _make,
    says="A question with `segment=` counts only the events of people who fit all of it. Audited.",
)
ROWS.changes(Params(SegmentChange), _change, says="What is left out stays; null empties a part. Audited.")
ROWS.deletes(says="Audited.")

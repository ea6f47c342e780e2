"""The doors of annotations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require_project
from quadra.accounts.params import OfProject
from quadra.accounts.project_rows import ProjectRows, each
from quadra.accounts.tables import Project
from quadra.analytics.kept.annotations import BY_A_PERSON
from quadra.analytics.questions.question import read_bounds
from quadra.analytics.tables import ANNOTATION_MOST, KEPT_MOST, Annotation
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says, within
from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Invalid
from quadra.core.web.http import runtime


class WhichAnnotations(OfProject, kw_only=True, rename={"from_": "from"}):
    from_: Annotated[str | None, says("Only from this moment on.", "2026-01-01")] = None
    to: Annotated[str | None, says("Only before it; a bare date means through the end of that day.", "2026-01-31")] = (
        None
    )
    timezone: Annotated[str | None, says("Left out: the project's.")] = None
    limit: Annotated[int, within(1, 1_000, "The latest so many.")] = 1_000


class NewAnnotation(OfProject, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=ANNOTATION_MOST, examples=["Black Friday mail"])]
    at: Annotated[
        str | None, says("When; ISO 8601 with an offset, or milliseconds. Left out: now.", "2026-01-31T12:00:00Z")
    ] = None


class KeptAnnotation(Struct, kw_only=True):
    id: str
    project: str
    at: Time
    text: str
    source: str
    """`person`, or what wrote it by itself: `release`, `restore`, …"""
    created_at: Time
    created_by: str


class KeptAnnotations(Struct, kw_only=True):
    annotations: list[KeptAnnotation]


doors = Doors("annotations", __name__)


@doors(
    "GET",
    "/api/annotations",
    title="List annotations",
    says="For charts over time to mark.",
    answers=KeptAnnotations,
    answer_says="In the order of time.",
    asks=Params(WhichAnnotations),
    needs="viewer",
    refuses=(404,),
)
def list_annotations(asked: WhichAnnotations) -> KeptAnnotations:
    project = require_project(asked.project, "viewer")
    raw = RawParams.of_body({"from": asked.from_, "to": asked.to, "timezone": asked.timezone})
    start_us, end_us = read_bounds(raw, project)
    raw.check()
    query = sa.select(Annotation).where(Annotation.project_id == project.id)
    if start_us is not None:
        query = query.where(Annotation.at >= clock.from_us(start_us))
    if end_us is not None:
        query = query.where(Annotation.at < clock.from_us(end_us))
    with runtime().database.read() as session:
        rows = session.scalars(query.order_by(Annotation.at.desc(), Annotation.id.desc()).limit(asked.limit)).all()
        return KeptAnnotations(annotations=[_shown(row, project) for row in reversed(rows)])


def _make(_session: Session, asked: NewAnnotation, project: Project) -> Annotation:
    text, at = asked.text.strip(), _moment(asked.at)
    if not text or not text.isprintable():
        raise Invalid("The annotation cannot be kept like this.", fields={"text": "printable, and not empty"})
    return Annotation(
        project_id=project.id,
        at=at or clock.now(),
        text=text,
        source=BY_A_PERSON,
        created_by=caller().actor[:300],
    )


def _moment(text: str | None) -> datetime | None:
    """Raises `Invalid`."""
    if text is None:
        return None
    try:
        if text.isascii() and text.isdigit() and len(text) < 15:
            return clock.from_us(int(text) * 1000)
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None and 1970 <= at.astimezone(UTC).year < 2200:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid(
        "The annotation cannot be kept like this.", fields={"at": "ISO 8601 with an offset, or milliseconds since 1970"}
    )


def _shown(row: Annotation, project: Project) -> KeptAnnotation:
    return KeptAnnotation(
        id=row.id,
        project=project.slug,
        at=clock.iso(row.at),
        text=row.text,
        source=row.source,
        created_at=clock.iso(row.created_at),
        created_by=row.created_by,
    )


ROWS = ProjectRows(
    doors,
    Annotation,
    "/api/annotations",
    "annotation",
    answers=KeptAnnotation,
    shown=each(_shown),
    action="analytics.annotation",
    most=KEPT_MOST,
    noted=(),
)
ROWS.makes(Params(NewAnnotation), _make, title="Write an annotation", says="Audited.")
ROWS.deletes(says="Audited.")

"""The doors of goals."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller
from quadra.accounts.params import OfProject
from quadra.accounts.project_rows import ProjectRows, each
from quadra.accounts.tables import Project
from quadra.analytics.tables import KEPT_MOST, NAME_MOST, GoalRow
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says
from quadra.core.api.raw_params import Where, kept_where
from quadra.core.errors import Invalid
from quadra.core.web.http import json_body

CURRENCY = re.compile(r"[A-Z]{3}")
PAGE_MOST = 1_000
EVENT = says("Reached by each event of this name.", "order_placed")
PAGE = says(
    "Reached by each view of this page; `*` stands for anything within one part of the path, `**` for more.",
    "/thanks/*",
)
WHERE = says("Only events that fit.")
VALUE = says("The property whose number each event is worth.", "value")
MONEY = says("Of that number, such as EUR.", "EUR")
NAME = Meta(min_length=1, max_length=NAME_MOST, examples=["Order placed"])


class NewGoal(OfProject, kw_only=True):
    """An event or a page."""

    name: Annotated[str, NAME]
    event: Annotated[str | None, EVENT] = None
    page: Annotated[str | None, PAGE] = None
    where: Annotated[Where, WHERE] = ()
    value_property: Annotated[str | None, VALUE] = None
    currency: Annotated[str | None, MONEY] = None


class GoalChange(Struct, kw_only=True):
    """What is left out stays; null takes a field away."""

    name: Annotated[str, Meta(max_length=NAME_MOST)] | None = None
    event: Annotated[str | None, EVENT] = None
    page: Annotated[str | None, PAGE] = None
    where: Annotated[Where, WHERE] = ()
    value_property: Annotated[str | None, VALUE] = None
    currency: Annotated[str | None, MONEY] = None


class KeptGoal(Struct, kw_only=True):
    id: str
    project: str
    name: str
    event: str | None
    page: str | None
    where: dict[str, Any]
    value_property: str | None
    currency: str | None
    created_at: Time
    created_by: str


class KeptGoals(Struct, kw_only=True):
    goals: list[KeptGoal]
    cursor: str | None


doors = Doors("goals", __name__)


def _make(_session: Session, asked: NewGoal, project: Project) -> GoalRow:
    row = GoalRow(
        project_id=project.id,
        name=asked.name.strip(),
        event=asked.event,
        page=asked.page,
        where=kept_where(asked.where),
        value_property=asked.value_property,
        currency=asked.currency,
        created_by=caller().actor[:300],
    )
    _check(row)
    return row


def _change(_session: Session, asked: GoalChange, row: GoalRow, _project: Project) -> None:
    given = set(json_body())  # also what says null: what is left out stays
    for name in ("name", "event", "page", "value_property", "currency"):
        if name in given or _camel(name) in given:
            setattr(row, name, getattr(asked, name) or ("" if name == "name" else None))
    if "where" in given:
        row.where = kept_where(asked.where)
    _check(row)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _check(row: GoalRow) -> None:
    """Raises `Invalid`, naming every wrong field."""
    wrong = {}
    if not row.name.strip() or not row.name.isprintable():
        wrong["name"] = f"1 to {NAME_MOST} printable characters"
    if (row.event is None) == (row.page is None):
        wrong["event"] = "an event or a page, one of them"
    if row.event is not None and len(row.event) > NAME_MOST:
        wrong["event"] = f"at most {NAME_MOST} characters"
    if row.page is not None and (len(row.page) > PAGE_MOST or not row.page.startswith(("/", "*"))):
        wrong["page"] = f"a path that begins with / or *, of at most {PAGE_MOST} characters"
    if row.value_property is not None and len(row.value_property) > NAME_MOST:
        wrong["value_property"] = f"at most {NAME_MOST} characters"
    if row.currency is not None and not CURRENCY.fullmatch(row.currency):
        wrong["currency"] = "three capital letters, such as EUR"
    elif row.currency is not None and row.value_property is None:
        wrong["currency"] = "with a value_property"
    if wrong:
        raise Invalid("The goal cannot be kept like this.", fields=wrong)


def _shown(row: GoalRow, project: Project) -> KeptGoal:
    return KeptGoal(
        id=row.id,
        project=project.slug,
        name=row.name,
        event=row.event,
        page=row.page,
        where=row.where,
        value_property=row.value_property,
        currency=row.currency,
        created_at=clock.iso(row.created_at),
        created_by=row.created_by,
    )


ROWS = ProjectRows(
    doors,
    GoalRow,
    "/api/goals",
    "goal",
    answers=KeptGoal,
    shown=each(_shown),
    action="analytics.goal",
    most=KEPT_MOST,
)
ROWS.pages(KeptGoals)
ROWS.makes(Params(NewGoal), _make, says="Audited.")
ROWS.changes(Params(GoalChange), _change, says="What is left out stays; null takes a field away. Audited.")
ROWS.deletes(says="Audited.")

"""The doors of goals."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta, Struct

from quadra.accounts.access import caller, require_owned, require_project
from quadra.accounts.params import OF_KEY
from quadra.accounts.projects import check_room
from quadra.accounts.tables import Project
from quadra.analytics.kept.doors import KEPT_MOST, Gone, Listing, given_names, listed, note
from quadra.analytics.kept.goals import find_goal
from quadra.analytics.tables import NAME_MOST, GoalRow
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params, says
from quadra.core.api.raw_params import Where, kept_where
from quadra.core.errors import Invalid
from quadra.core.web.http import runtime

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


class NewGoal(Struct, kw_only=True):
    """An event or a page."""

    name: Annotated[str, NAME]
    event: Annotated[str | None, EVENT] = None
    page: Annotated[str | None, PAGE] = None
    where: Annotated[Where, WHERE] = ()
    value_property: Annotated[str | None, VALUE] = None
    currency: Annotated[str | None, MONEY] = None
    project: Annotated[str | None, OF_KEY] = None


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
NEW, CHANGE, LISTING = Params(NewGoal), Params(GoalChange), Params(Listing)
IDS = {"goal_id": Param(name="goal_id", shape=str, example="019be0c4-3c00-7000-8000-000000000001")}


@doors(
    "GET",
    "/api/goals",
    title="List goals",
    answers=KeptGoals,
    answer_says="Newest first.",
    asks=LISTING,
    needs="viewer",
    refuses=(404,),
)
def list_goals(asked: Listing) -> KeptGoals:
    project = require_project(asked.project, "viewer")
    with runtime().database.read() as session:
        rows, cursor = listed(session, GoalRow, project.id, asked)
        return KeptGoals(goals=[_shown(row, project) for row in rows], cursor=cursor)


@doors(
    "POST",
    "/api/goals",
    title="Make a goal",
    says="Audited.",
    answers=KeptGoal,
    asks=NEW,
    needs="editor",
    status=201,
    refuses=(404, 409),
)
def add_goal(asked: NewGoal) -> KeptGoal:
    project = require_project(asked.project, "editor")
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
    with runtime().database.begin() as session:
        check_room(session, GoalRow, project.id, KEPT_MOST, "goals")
        session.add(row)
        session.flush()
        note(session, "goal.created", row, project, {"name": row.name})
        return _shown(row, project)


@doors(
    "PATCH",
    "/api/goals/{goal_id}",
    title="Change a goal",
    says="What is left out stays; null takes a field away. Audited.",
    answers=KeptGoal,
    asks=CHANGE,
    named=IDS,
    needs="viewer",
    gated=True,
    refuses=(404,),
)
def change_goal(asked: GoalChange, goal_id: str) -> KeptGoal:
    raw = given_names()
    with runtime().database.begin() as session:
        row, project = require_owned(session, find_goal(session, goal_id), "editor", "goal")
        for name in ("name", "event", "page", "value_property", "currency"):
            if name in raw or _camel(name) in raw:
                setattr(row, name, getattr(asked, name) or ("" if name == "name" else None))
        if "where" in raw:
            row.where = kept_where(asked.where)
        _check(row)
        note(session, "goal.changed", row, project, {"name": row.name})
        return _shown(row, project)


@doors(
    "DELETE",
    "/api/goals/{goal_id}",
    title="Delete a goal",
    says="Audited.",
    answers=Gone,
    named=IDS,
    needs="viewer",
    refuses=(404,),
)
def remove_goal(goal_id: str) -> Gone:
    with runtime().database.begin() as session:
        row, project = require_owned(session, find_goal(session, goal_id), "editor", "goal")
        session.delete(row)
        note(session, "goal.deleted", row, project, {"name": row.name})
    return Gone(success=True)


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

"""The doors to say that a group of errors is dealt with, or is not after all."""

from __future__ import annotations

import re

from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require_project
from quadra.accounts.noting import note
from quadra.accounts.params import OF_PROJECT, OfProject
from quadra.accounts.tables import Project
from quadra.analytics.lenses.errors import GROUP_ID
from quadra.analytics.questions.lens import PREFIXES
from quadra.analytics.resolving import reopen, resolve
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.errors import NotFound
from quadra.core.web.http import runtime
from quadra.warehouse.query.engine import query

GROUP = re.compile(r"[0-9a-f]{32}")
IDS = {"group_id": Param(name="group_id", shape=str, example="0f6fdb3d7ff14cf5b19cbb1ab1cd31bb")}


class ErrorResolved(Struct, kw_only=True):
    group_id: str
    resolved: bool
    resolved_at: Time | None


doors = Doors("resolving", __name__)


def _paths(verb: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/errors/{{group_id}}/{verb}" for prefix in PREFIXES)


@doors(
    "POST",
    *_paths("resolve"),
    title="Resolve errors",
    says="An error of the group that arrives later opens it again. Audited.",
    answers=ErrorResolved,
    asks=OF_PROJECT,
    in_address=True,
    named=IDS,
    needs="editor",
    refuses=(404, 503),
)
def resolve_group(asked: OfProject, group_id: str) -> ErrorResolved:
    project = _project(asked, group_id)
    with runtime().database.begin() as session:
        row = resolve(session, project.id, group_id, by=caller().actor)
        _note(session, "resolved", project, group_id)
    return ErrorResolved(group_id=group_id, resolved=True, resolved_at=clock.iso(row.resolved_at))


@doors(
    "POST",
    *_paths("reopen"),
    title="Reopen errors",
    says="Takes back that they are resolved. Audited.",
    answers=ErrorResolved,
    asks=OF_PROJECT,
    in_address=True,
    named=IDS,
    needs="editor",
    refuses=(404, 503),
)
def reopen_group(asked: OfProject, group_id: str) -> ErrorResolved:
    project = _project(asked, group_id)
    with runtime().database.begin() as session:
        reopen(session, project.id, group_id)
        _note(session, "reopened", project, group_id)
    return ErrorResolved(group_id=group_id, resolved=False, resolved_at=None)


def _project(asked: OfProject, group_id: str) -> Project:
    """Of the caller, an editor. Raises `NotFound` where the project has no such errors."""
    project = require_project(asked.project, "editor")
    sql = f"SELECT 1 FROM events WHERE kind = 'error' AND {GROUP_ID} = $id LIMIT 1"
    if not GROUP.fullmatch(group_id) or not query(runtime(), project.id, sql, {"id": group_id}).rows:
        raise NotFound("There are no such errors.")
    return project


def _note(session: Session, verb: str, project: Project, group_id: str) -> None:
    note(session, f"analytics.error.{verb}", subject=group_id, project_id=project.id)

"""The doors to say that a group of errors is dealt with, or is not after all."""

from __future__ import annotations

import re

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from quadra.accounts import audit
from quadra.accounts.access import caller, require_project
from quadra.accounts.tables import Project
from quadra.analytics.lenses.errors import GROUP_ID
from quadra.analytics.resolving import reopen, resolve
from quadra.analytics.routes import PREFIXES
from quadra.core import clock
from quadra.core.errors import NotFound
from quadra.core.http import runtime
from quadra.core.limits import client_address
from quadra.warehouse.engine import query

blueprint = Blueprint("resolving", __name__)
GROUP = re.compile(r"[0-9a-f]{32}")


def resolve_group(group_id: str) -> ResponseReturnValue:
    project = _project(group_id)
    with runtime().database.begin() as session:
        row = resolve(session, project.id, group_id, by=caller().actor)
        _note(session, "resolved", project, group_id)
    return {"group_id": group_id, "resolved": True, "resolved_at": clock.iso(row.resolved_at)}


def reopen_group(group_id: str) -> ResponseReturnValue:
    project = _project(group_id)
    with runtime().database.begin() as session:
        reopen(session, project.id, group_id)
        _note(session, "reopened", project, group_id)
    return {"group_id": group_id, "resolved": False, "resolved_at": None}


def _project(group_id: str) -> Project:
    """Of the caller, an editor. Raises `NotFound` where the project has no such errors."""
    project = require_project(request.args.get("project"), "editor")
    sql = f"SELECT 1 FROM events WHERE kind = 'error' AND {GROUP_ID} = $id LIMIT 1"
    if not GROUP.fullmatch(group_id) or not query(runtime(), project.id, sql, {"id": group_id}).rows:
        raise NotFound("There are no such errors.")
    return project


def _note(session: Session, verb: str, project: Project, group_id: str) -> None:
    audit.record(
        session,
        actor=caller().actor,
        action=f"analytics.error.{verb}",
        subject=group_id,
        project_id=project.id,
        address=client_address(),
    )


for _number, _prefix in enumerate(PREFIXES, start=1):
    for _view in (resolve_group, reopen_group):
        _verb = _view.__name__.removesuffix("_group")
        blueprint.add_url_rule(f"{_prefix}/errors/<group_id>/{_verb}", f"{_verb}_{_number}", _view, methods=["POST"])

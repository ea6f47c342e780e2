"""The doors of saved views, for those who are logged in or have a key."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from quadra.accounts import audit
from quadra.accounts.access import caller, require, require_project
from quadra.accounts.tables import Project
from quadra.analytics.tables import SavedView
from quadra.analytics.views import saved_views
from quadra.core import clock
from quadra.core.errors import Invalid, NotFound
from quadra.core.web.http import json_body, runtime
from quadra.core.web.limits import client_address

blueprint = Blueprint("saved_views", __name__)

LIMIT, LIMIT_MOST = 50, 1_000
CURSOR = re.compile(r"[0-9a-f-]{36}")


@blueprint.get("/api/saved-views")
def show_views() -> ResponseReturnValue:
    """`?project&limit&cursor`, newest first."""
    project = require_project(request.args.get("project"), "viewer")
    limit, after = _paging()
    with runtime().database.read() as session:
        found = saved_views.list_views(session, project.id, limit=limit + 1, after=after)
    rows, more = found[:limit], len(found) > limit
    return {"saved_views": [_body(view, project) for view in rows], "cursor": rows[-1].id if more else None}


@blueprint.get("/api/saved-views/<view_id>")
def show_view(view_id: str) -> ResponseReturnValue:
    with runtime().database.read() as session:
        return _body(*_of_caller(session, view_id, "viewer"))


@blueprint.post("/api/saved-views")
def add_view() -> ResponseReturnValue:
    body = json_body()
    slug = body.get("project")
    if slug is not None and not isinstance(slug, str):
        raise Invalid("A field has the wrong type.", fields={"project": "the slug of a project"})
    project = require_project(slug or request.args.get("project"), "editor")
    with runtime().database.begin() as session:
        view = saved_views.save_view(session, project, body, by=caller().actor)
        _note(session, "created", view)
    return _body(view, project), 201


@blueprint.delete("/api/saved-views/<view_id>")
def remove_view(view_id: str) -> ResponseReturnValue:
    with runtime().database.begin() as session:
        view, _project = _of_caller(session, view_id, "editor")
        saved_views.delete_view(session, view)
        _note(session, "deleted", view)
    return {"success": True}


@blueprint.post("/api/saved-views/<view_id>/share")
def share(view_id: str) -> ResponseReturnValue:
    """The token is shown here and never again."""
    with runtime().database.begin() as session:
        view, _project = _of_caller(session, view_id, "editor")
        token = saved_views.share_view(session, view, by=caller().actor)
        _note(session, "shared", view)
    # never the host that the request names: the link goes to other people, and the request may come from anybody's page
    url = f"{runtime().settings.public_url.rstrip('/')}/share/{token}"
    return {"token": token, "url": url}, 201, {"Cache-Control": "no-store"}


@blueprint.delete("/api/saved-views/<view_id>/share")
def unshare(view_id: str) -> ResponseReturnValue:
    """Fine where there is no link."""
    with runtime().database.begin() as session:
        view, _project = _of_caller(session, view_id, "editor")
        saved_views.unshare_view(session, view)
        _note(session, "unshared", view)
    return {"success": True}


def _of_caller(session: Session, view_id: str, role: str) -> tuple[SavedView, Project]:
    """Raises `NotFound` for a view of a project that the caller may not see, just as for one that is not there."""
    require("viewer")
    view = saved_views.get_view(session, view_id)
    project = session.get_one(Project, view.project_id)
    if not caller().sees(project.id):
        raise NotFound("There is no such saved view.")
    require_project(project.slug, role)
    return view, project


def _note(session: Session, verb: str, view: SavedView) -> None:
    audit.record(
        session,
        actor=caller().actor,
        action=f"analytics.saved_view.{verb}",
        subject=view.id,
        project_id=view.project_id,
        address=client_address(),
        details={"name": view.name},
    )


def _paging() -> tuple[int, str | None]:
    limit, cursor = request.args.get("limit", str(LIMIT)), request.args.get("cursor") or None
    fields = {}
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and 1 <= int(limit) <= LIMIT_MOST):
        fields["limit"] = f"a number from 1 to {LIMIT_MOST}"
    if cursor is not None and not CURSOR.fullmatch(cursor):
        fields["cursor"] = "as the page before gave it"
    if fields:
        raise Invalid("This page cannot be shown.", fields=fields)
    return int(limit), cursor


def _body(view: SavedView, project: Project) -> dict[str, Any]:
    share = {"shared_at": clock.iso(view.shared_at), "shared_by": view.shared_by} if view.shared_at else None
    return {
        "id": view.id,
        "project": project.slug,
        "name": view.name,
        "page": view.page,
        "params": view.params,
        "questions": view.questions,
        "created_at": clock.iso(view.created_at),
        "created_by": view.created_by,
        "share": share,
    }

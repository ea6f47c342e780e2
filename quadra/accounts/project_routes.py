"""Projects and their keys."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import caller, require, require_project
from quadra.accounts.bodies import key_body, project_body, strings, text
from quadra.accounts.keys import get_key, list_keys, make_key, revoke_key
from quadra.accounts.projects import create_project, list_projects
from quadra.accounts.tables import WEEK_START, Project
from quadra.core.errors import Invalid, NotFound
from quadra.core.web.http import json_body, runtime
from quadra.core.web.limits import client_address

projects = Blueprint("projects", __name__)


@projects.get("/api/projects")
def show_projects() -> ResponseReturnValue:
    """The projects that the caller may see."""
    found = require("viewer")
    with runtime().database.read() as session:
        return {"projects": [project_body(project) for project in list_projects(session, ids=found.projects)]}


@projects.post("/api/projects")
def add_project() -> ResponseReturnValue:
    """Make a project and a write key for it. The key is shown here and never again."""
    by = require("admin")
    body = json_body()
    with runtime().database.begin() as session:
        project = create_project(
            session,
            name=text(body, "name"),
            slug=text(body, "slug", None),
            timezone=text(body, "timezone", "UTC"),
            week_start=text(body, "week_start", WEEK_START),
        )
        row, plain = make_key(session, project=project, scope="ingest", name="made with the project")
        for action, subject in (("accounts.project.created", project.slug), ("accounts.key.created", row.prefix)):
            audit.record(
                session,
                actor=by.actor,
                action=action,
                subject=subject,
                project_id=project.id,
                address=client_address(),
            )
    return {**project_body(project), "project": project.slug, "write_key": plain}, 201


@projects.get("/api/keys")
def show_keys() -> ResponseReturnValue:
    """The keys of a project (`?project=`), the revoked ones too; never the keys themselves."""
    project = require_project(request.args.get("project"), "admin")
    with runtime().database.read() as session:
        return {"keys": [key_body(key, project) for key in list_keys(session, project_id=project.id)]}


@projects.post("/api/keys")
def add_key() -> ResponseReturnValue:
    """Make a key of a project. `key` is shown here and never again."""
    body = json_body()
    slug = text(body, "project", None)
    if slug == "":  # a variable that somebody forgot to set must not make a key of another project
        raise Invalid("Which project?", fields={"project": "a slug; left out, it is your own project"})
    project = require_project(slug, "admin")
    with runtime().database.begin() as session:
        row, plain = make_key(
            session,
            project=project,
            scope=text(body, "scope"),
            name=text(body, "name", ""),
            origins=strings(body, "origins"),
        )
        audit.record(
            session,
            actor=caller().actor,
            action="accounts.key.created",
            subject=row.prefix,
            project_id=project.id,
            address=client_address(),
            details={"scope": row.scope},
        )
    return {**key_body(row, project), "key": plain}, 201


@projects.delete("/api/keys/<int(max=2147483647):key_id>")
def remove_key(key_id: int) -> ResponseReturnValue:
    """Revoke a key. Ingest may still take it for a few seconds."""
    project = _project_of(key_id)
    with runtime().database.begin() as session:
        row = revoke_key(session, key_id=key_id)
        audit.record(
            session,
            actor=caller().actor,
            action="accounts.key.revoked",
            subject=row.prefix,
            project_id=project.id,
            address=client_address(),
        )
    return {"key": key_body(row, project)}


def _project_of(key_id: int) -> Project:
    found = caller()
    with runtime().database.read() as session:
        row = get_key(session, key_id) if found.may("admin") else None
        project = session.get_one(Project, row.project_id) if row else None
    if project is None or not found.sees(project.id):
        require_project(None, "admin")  # says why, to whoever may not revoke keys at all
        raise NotFound(f"There is no key {key_id}.")
    return project

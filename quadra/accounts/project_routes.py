"""Projects and their keys."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, structs

from quadra.accounts import audit
from quadra.accounts.access import (
    caller,
    check_installation,
    check_on_installation,
    require,
    require_project,
    require_role,
)
from quadra.accounts.answers import (
    KeyId,
    Keys,
    MadeKey,
    MadeProject,
    Name,
    Projects,
    Slug,
    TheKey,
    TheProject,
    Zone,
    key_shown,
    project_shown,
)
from quadra.accounts.keys import get_key, list_keys, make_key, revoke_key
from quadra.accounts.noting import note
from quadra.accounts.params import OF_KEY, OF_PROJECT, OfProject
from quadra.accounts.projects import DEFAULT, OWN, change_project, create_project, list_projects
from quadra.accounts.tables import WEEK_START, Project, Scope, WeekStart
from quadra.accounts.user_routes import OF_ALL
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says
from quadra.core.errors import NotFound
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address

doors = Doors("projects", __name__)


class NewProject(Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["Shop"])]
    slug: Annotated[
        Slug | None, Meta(description="Its name in addresses; made from the name where it is left out.")
    ] = None
    timezone: Zone = "UTC"
    week_start: WeekStart = WEEK_START


class NewKey(Struct, kw_only=True):
    scope: Annotated[Scope, Meta(examples=["read"])]
    project: Annotated[Slug | None, OF_KEY] = None
    name: Annotated[Name, Meta(description="What it is for.", examples=["reports"])] = ""
    origins: Annotated[
        tuple[str, ...],
        says("At most 100 pages that may use it, such as https://*.example.com; none means any."),
    ] = ()


class ProjectChange(Struct, kw_only=True):
    name: Annotated[str | None, Meta(examples=["Shop"])] = None
    timezone: Annotated[str | None, Meta(description="A name such as Europe/Berlin.", examples=["Europe/Berlin"])] = (
        None
    )
    week_start: WeekStart | None = None


NEW_PROJECT = Params(NewProject)


@doors(
    "GET",
    "/api/projects",
    title="List projects",
    says="Those that you may see.",
    needs="viewer",
    answers=Projects,
    answer_says="By name.",
)
def show_projects() -> Projects:
    found = require("viewer")
    with runtime().database.read() as session:
        return Projects(projects=[project_shown(project) for project in list_projects(session, ids=found.projects)])


@doors(
    "POST",
    "/api/projects",
    title="Make a project",
    says=f"And a write key for it. {OF_ALL}",
    needs="admin",
    asks=NEW_PROJECT,
    answers=MadeProject,
    answer_says="It is made. The key is shown only now.",
    status=201,
    refuses=(409,),
)
def add_project(asked: NewProject) -> MadeProject:
    by = require("admin")
    with runtime().database.begin() as session:
        project = create_project(session, **structs.asdict(asked))
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
    return MadeProject(**structs.asdict(project_shown(project)), project=project.slug, write_key=plain)


@doors(
    "PATCH",
    "/api/projects/{slug}",
    title="Change a project",
    says="What is left out stays. The slug never changes. Another time zone moves the bounds of all days, also of days gone by.",
    needs="admin",
    named={"slug": Param(name="slug", shape=str, example="shop")},
    asks=Params(ProjectChange),
    answers=TheProject,
    answer_says="It is changed.",
    refuses=(404,),
)
def alter_project(asked: ProjectChange, slug: str) -> TheProject:
    found = require_project(slug, "admin")
    changes = {name: value for name, value in structs.asdict(asked).items() if value is not None}
    with runtime().database.begin() as session:
        project = change_project(session, project_id=found.id, **changes)
        note(session, "accounts.project.changed", subject=project.slug, project_id=project.id, details=changes)
        return TheProject(project=project_shown(project))


@doors(
    "GET",
    "/api/keys",
    title="List the keys of a project",
    says="The revoked ones too; never the keys themselves.",
    needs="admin",
    asks=OF_PROJECT,
    answers=Keys,
    answer_says="Newest first.",
    refuses=(404,),
)
def show_keys(asked: OfProject) -> Keys:
    project = require_project(asked.project, "admin")
    with runtime().database.read() as session:
        return Keys(keys=[key_shown(key, project) for key in list_keys(session, project_id=project.id)])


@doors(
    "POST",
    "/api/keys",
    title="Make a key",
    says="An empty `project` is refused: a variable that somebody forgot to set must not make a key of another project.",
    needs="admin",
    asks=Params(NewKey),
    answers=MadeKey,
    answer_says="It is made, and shown only now.",
    status=201,
    refuses=(404,),
)
def add_key(asked: NewKey) -> MadeKey:
    project = require_project(asked.project, "admin")
    _check_reach(project, asked.scope)
    with runtime().database.begin() as session:
        row, plain = make_key(session, project=project, scope=asked.scope, name=asked.name, origins=asked.origins)
        note(session, "accounts.key.created", subject=row.prefix, project_id=project.id, details={"scope": row.scope})
    return MadeKey(**structs.asdict(key_shown(row, project)), key=plain)


@doors(
    "DELETE",
    "/api/keys/{key_id}",
    title="Revoke a key",
    says="Ingest may still take it for a few seconds.",
    needs="admin",
    named={"key_id": Param(name="key_id", shape=KeyId, example=3)},
    answers=TheKey,
    answer_says="It opens nothing any more.",
    refuses=(404,),
)
def remove_key(key_id: int) -> TheKey:
    project = _project_of(key_id)
    with runtime().database.begin() as session:
        row = revoke_key(session, key_id=key_id)
        note(session, "accounts.key.revoked", subject=row.prefix, project_id=project.id)
    return TheKey(key=key_shown(row, project))


def _project_of(key_id: int) -> Project:
    """Where the caller may revoke this key."""
    who = require_role("admin")
    with runtime().database.read() as session:
        row = get_key(session, key_id)
        project = session.get_one(Project, row.project_id)
    if not who.sees(project.id):
        raise NotFound(f"There is no key {key_id}.")
    require_project(project.slug, "admin")
    _check_reach(project, row.scope)
    return project


def _check_reach(project: Project, scope: Scope) -> None:
    """A key that opens more than its project is for those to make and revoke who may as much themselves. Raises `Forbidden`."""
    if project.slug == DEFAULT and scope == "admin":
        check_on_installation(caller(), "admin")
    if project.slug == OWN and scope != "ingest":
        check_installation(caller())

"""Roles of people in single projects (decision 18)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project, ProjectRole, Role, User
from quadra.core.errors import Conflict, NotFound

Source = Literal["project", "installation"]


@dataclass(frozen=True, slots=True)
class ProjectMember:
    """Somebody who may see a project."""

    user: User
    role: Role
    source: Source
    """Where the role was given."""


def list_members(session: Session, project: Project) -> list[ProjectMember]:
    """Everybody who may see the project, by address; the disabled ones too."""
    here = sa.and_(ProjectRole.user_id == User.id, ProjectRole.project_id == project.id)
    query = sa.select(User, ProjectRole.role).outerjoin(ProjectRole, here).order_by(User.email)
    found = (_member(user, given) for user, given in session.execute(query.where(_sees())))
    return [one for one in found if one is not None]


def get_member(session: Session, project: Project, user_id: int) -> ProjectMember:
    """Raises `NotFound` for who may not see the project, just as for one who is not there."""
    user = session.get(User, user_id)
    row = None if user is None else session.get(ProjectRole, (project.id, user_id))
    found = None if user is None else _member(user, None if row is None else row.role)
    if found is None:
        raise NotFound(f"Nobody with the id {user_id} may see the project {project.slug!r}.")
    return found


def set_member(session: Session, project: Project, user: User, role: Role) -> ProjectMember:
    """Give somebody a role in the project instead of that on the installation.

    Raises `Conflict` for an admin of the installation, who is one in every project.
    """
    if user.role == "admin":
        raise Conflict(f"{user.email} is an admin of the installation, and so of every project.")
    session.merge(ProjectRole(project_id=project.id, user_id=user.id, role=role))
    session.flush()
    return ProjectMember(user, role, "project")


def remove_member(session: Session, project: Project, user: User) -> None:
    """The role on the installation counts again. Raises `NotFound` where the project gave none."""
    row = session.get(ProjectRole, (project.id, user.id))
    if row is None:
        raise NotFound(f"{user.email} has no role of their own in the project {project.slug!r}.")
    session.delete(row)
    session.flush()


def roles_by_project(session: Session) -> Mapping[int, dict[str, Role]]:
    """For every user who has some: the slugs of projects, and the role there."""
    query = sa.select(ProjectRole.user_id, Project.slug, ProjectRole.role).join(Project).order_by(Project.slug)
    found: dict[int, dict[str, Role]] = {}
    for user_id, slug, role in session.execute(query):
        found.setdefault(user_id, {})[slug] = role
    return found


def _sees() -> sa.ColumnElement[bool]:
    return sa.or_(ProjectRole.role.is_not(None), User.role != "none")


def _member(user: User, given: Role | None) -> ProjectMember | None:
    if user.role == "admin" or given is None:
        return None if user.role == "none" else ProjectMember(user, user.role, "installation")
    return ProjectMember(user, given, "project")

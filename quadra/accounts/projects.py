"""Projects: what events belong to. A slug never changes: it stands in URLs and in other people's configuration."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.accounts.tables import WEEK_START, WEEK_STARTS, Project
from quadra.core.errors import Conflict, Invalid, NotFound

DEFAULT = "default"
"""The project that every installation has."""
OWN = "quadra"
"""The project in which an installation observes itself, where there is one: its keys are for whoever watches the installation."""
DEMO = "demo"
"""The project that `quadra demo` sends to."""

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
NOT_PLACES = {"Factory", "localtime"}


def create_project(
    session: Session, *, name: str, slug: str | None = None, timezone: str = "UTC", week_start: str = WEEK_START
) -> Project:
    """A new project. Without a `slug` one is made from the name, numbered where it is taken.

    Raises `Invalid` with the wrong fields, `Conflict` when the given slug is taken.
    """
    name = name.strip()
    _check(name=name, slug=slug, timezone=timezone, week_start=week_start)
    for candidate in [slug] if slug else _numbered(slug_from(name)):
        project = Project(slug=candidate, name=name, timezone=timezone, week_start=week_start)
        try:
            # inserted first and asked afterwards: two people may want the same slug at the same time
            with session.begin_nested():
                session.add(project)
        except IntegrityError:
            continue
        return project
    raise Conflict(f"There is a project {slug or name!r} already; choose another slug.", fields={"slug": "taken"})


def change_project(session: Session, *, project_id: int, **changes: str) -> Project:
    """Change name, time zone or the start of the week. Raises `Invalid` with the wrong fields."""
    project = session.get_one(Project, project_id, with_for_update=True)
    if "name" in changes:
        changes["name"] = changes["name"].strip()
    _check(
        name=changes.get("name", project.name),
        slug=None,
        timezone=changes.get("timezone", project.timezone),
        week_start=changes.get("week_start", project.week_start),
    )
    for name, value in changes.items():
        setattr(project, name, value)
    session.flush()
    return project


def get_project(session: Session, slug: str) -> Project:
    """Raises `NotFound`."""
    found = session.scalar(sa.select(Project).where(Project.slug == slug)) if SLUG.fullmatch(slug) else None
    if found is None:
        raise NotFound(f"There is no project {slug!r}.")
    return found


def list_projects(session: Session, *, ids: Collection[int] | None = None) -> list[Project]:
    """All projects by name, or only those among `ids`."""
    query = sa.select(Project).order_by(Project.name, Project.id)
    if ids is not None:
        query = query.where(Project.id.in_(ids))
    return list(session.scalars(query))


def slug_from(name: str) -> str:
    """`Küche & Bad` becomes `kuche-bad`; a name without a Latin letter or digit becomes `project`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "project"


def _numbered(slug: str) -> Iterator[str]:
    yield slug
    for number in range(2, 100):
        yield f"{slug}-{number}"


def _check(*, name: str, slug: str | None, timezone: str, week_start: str) -> None:
    fields: dict[str, str] = {}
    if not 1 <= len(name) <= 200 or not name.isprintable():
        fields["name"] = "1 to 200 printable characters"
    if slug is not None and not SLUG.fullmatch(slug):
        fields["slug"] = "1 to 64 of a-z, 0-9 and -, with a letter or digit at both ends"
    if timezone not in _timezones():
        fields["timezone"] = "a name of the IANA time zone database, such as Europe/Berlin"
    if week_start not in WEEK_STARTS:
        fields["week_start"] = "monday or sunday"
    if fields:
        raise Invalid("The project cannot be made like this.", fields=fields)


@cache
def _timezones() -> frozenset[str]:
    # a closed list, read once: ZoneInfo(name) opens whatever path a name spells and fails in as many ways
    return frozenset(zoneinfo.available_timezones() - NOT_PLACES)


def check_room(session: Session, table: Any, project_id: int, most: int, what: str) -> None:
    """Raises `Conflict` where the project has `most` rows of `table` already; `what` is their name in the message."""
    query = sa.select(sa.func.count()).select_from(table).where(table.project_id == project_id)
    if (session.scalar(query) or 0) >= most:
        raise Conflict(f"The project has {most} {what}; delete some.")

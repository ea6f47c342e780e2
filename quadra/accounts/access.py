"""Who is calling, and what they may do. Every route and socket asks here; nothing else decides.

A session is a user: their role on the installation holds in every project that gives them no other (decision 18), and an
admin of the installation is one everywhere. A key is a program: a read key is a viewer of its own project, an admin key the
admin of its own project, an ingest key nobody at all outside of ingest. The admin keys of the project `default`, which
belongs to the installation itself, are admins of the installation: that is how the key of the first start makes projects
and keys. A cookie counts only together with its CSRF token on unsafe methods; a
Bearer key needs none, wins over a cookie, and is refused rather than ignored when it is wrong.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar, cast

import flask_login
from flask import abort, g, redirect, request, url_for
from sqlalchemy.orm import Session

from quadra.accounts import sessions
from quadra.accounts.callers import STRANGER, Caller, by_key, by_session, check, of_member, reaches
from quadra.accounts.csrf import check_csrf, from_own_page
from quadra.accounts.keys import TOUCH_EVERY, Key, get_key, touch_keys
from quadra.accounts.projects import DEFAULT, OWN, get_project
from quadra.accounts.sessions import Member
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Forbidden, NotFound, Unauthorised, Unavailable
from quadra.core.web.http import runtime

log = logging.getLogger(__name__)


class Owned(Protocol):
    """A row that belongs to a project."""

    @property
    def project_id(self) -> int: ...


R = TypeVar("R", bound=Owned)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection showed, not yet believed."""

    key: str = ""
    session_id: str = ""
    ends_at: float = math.inf
    """When the session ends by itself: an open socket does not keep it."""


def caller() -> Caller:
    """Who sent the current request, found once per request.

    Raises `Unauthorised` for a wrong key, `Forbidden` for a cookie without its CSRF token.
    """
    if "caller" not in g:
        g.caller = _find_caller()
        g.actor = g.caller.actor
    return cast(Caller, g.caller)


def counted_as() -> str:
    """The name under which the current request is counted: its key or its user; empty for a stranger, a wrong key, a write key.

    Raises `Unavailable`.
    """
    try:
        return caller().counted_as
    except Unauthorised:
        return ""
    except Forbidden:  # the cookie is good, only its CSRF token is missing: that is for the route to refuse
        return f"user:{flask_login.current_user.id}"


def require_role(role: str) -> Caller:
    """The caller, who has at least `role` somewhere: `require` and `require_project` say where. Raises `Unauthorised` or
    `Forbidden`. The gate of every door that says what it needs.
    """
    found = caller()
    check(found, role)
    return found


def person() -> Member:
    """Who is logged in, with whatever role or none. Raises `Unauthorised`, and `Forbidden` for a key."""
    found = caller()
    if found.user is None:
        check(found, "viewer")
        raise Forbidden("A key has neither password nor sessions. Log in.")
    return found.user


def require(role: str) -> Caller:
    """The caller, who has at least `role`. Raises `Unauthorised` or `Forbidden`.

    For what belongs to no single project. Whoever is bound to projects passes as viewer only (and sees only what
    `Caller.sees`): anything more would reach into the projects of others.
    """
    found = require_role(role)
    if role != "viewer":
        check_on_installation(found, role)
    return found


def check_on_installation(found: Caller, role: str) -> None:
    """Raises `Forbidden`."""
    if found.may(role):
        return
    if found.key is not None:
        raise Forbidden(f"This key belongs to one project; use an admin key of the project {DEFAULT!r}.")
    raise Forbidden(f"This needs the role {role} on the whole installation; you are {found.role or 'none'} there.")


def require_installation() -> Caller:
    """The caller, who may see figures of the whole installation. Raises `Unauthorised` or `Forbidden`."""
    found = caller()
    check_installation(found)
    return found


def check_installation(found: Caller) -> None:
    """Raises `Unauthorised` or `Forbidden`."""
    check(found, "viewer")
    if not found.sees_installation:
        raise Forbidden(
            "These are figures of the whole installation: they need a role in all projects, a read key of the project "
            f"{OWN!r} or an admin key of {DEFAULT!r}."
        )


def require_project(slug: str | None, role: str) -> Project:
    """The project, where the caller has at least `role`. Without a `slug` the key's own, the only one that they see, else
    `default`.

    Raises `NotFound` for a project that the caller may not see, just as for one that is not there.
    """
    who = require_role(role)
    with runtime().database.read() as session:
        only = next(iter(who.roles)) if not slug and len(who.projects or ()) == 1 else None
        project = get_project(session, slug or DEFAULT) if only is None else session.get_one(Project, only)
    held = who.role_in(project.id)
    if held is None:
        raise NotFound(f"There is no project {project.slug!r}." + ("" if slug else " Name one of yours as `project`."))
    if not reaches(held, role):
        raise Forbidden(f"This needs the role {role}; you are {held} in the project {project.slug!r}.")
    g.project = project.slug
    return project


def require_owned(session: Session, row: R | None, role: str, what: str) -> tuple[R, Project]:
    """The row with its project, where the caller has at least `role` in that. Raises `NotFound` for one of a project that the
    caller may not see, just as for one that is not there; `what` is its name in the message.
    """
    require_role("viewer")
    if row is None or not caller().sees(row.project_id):
        raise NotFound(f"There is no such {what}.")
    project = session.get_one(Project, row.project_id)
    require_project(project.slug, role)
    return row, project


def require_page() -> Caller:
    """`require` for pages: a stranger is sent to the login page and comes back afterwards."""
    if caller().kind == "stranger":
        target = request.full_path.rstrip("?") if request.method == "GET" else None
        abort(redirect(url_for("accounts.login_pages.show_page", next=target), 303))
    return require("viewer")


def credentials(key: str = "") -> Credentials:
    """What the handshake of a socket shows: `key`, or its session cookie. Does not block, so it may run on the loop.

    Raises `Forbidden` for the cookie of somebody whose browser shows another site's page.
    """
    if key:
        return Credentials(key=key)
    if not from_own_page():
        raise Forbidden(
            "This page is not Quadra's; if it is, set QUADRA_PUBLIC_URL to where it is reached.", code="origin"
        )
    return Credentials(session_id=sessions.session_id(), ends_at=sessions.ends_at())


def admit(database: Database, shown: Credentials, role: str = "viewer") -> Caller:
    """Who showed this. Blocks and needs no request: a socket calls it on a native thread.

    Raises `Unauthorised` or `Forbidden`. No CSRF token is asked for: `credentials` looked at the Origin.
    """
    claim = shown.session_id if shown.ends_at > clock.now().timestamp() else ""
    with database.read() as session:
        found = by_key(session, shown.key) if shown.key else by_session(session, claim)
    check(found, role)
    return found


def _find_caller() -> Caller:
    scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        with runtime().database.read() as session:
            found = by_key(session, plain.strip())
            last_used_at = get_key(session, cast(Key, found.key).id).last_used_at
        _touch(cast(Key, found.key), last_used_at)
        return found
    if not sessions.session_id() or not flask_login.current_user.is_authenticated:
        return STRANGER
    check_csrf()
    found = flask_login.current_user._get_current_object()
    if sessions.note_use():
        _touch_session(found)
    return of_member(found)


def _touch(key: Key, last_used_at: datetime | None) -> None:
    now = clock.now()
    if last_used_at is not None and last_used_at > now - TOUCH_EVERY:
        return
    try:
        with runtime().database.begin() as session:
            touch_keys(session, {key.id: now})
    except Unavailable as error:  # a question is answered though the note about it could not be made
        log.warning("accounts.key.not_touched", extra={"key": key.prefix, "reason": error.message})


def _touch_session(found: Member) -> None:
    try:
        with runtime().database.begin() as session:
            sessions.touch(session, found.session)
    except Unavailable as error:
        log.warning("accounts.session.not_touched", extra={"user": found.id, "reason": error.message})

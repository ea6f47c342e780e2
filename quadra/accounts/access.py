"""Who is calling, and what they may do. Every route and socket asks here; nothing else decides.

A session is a user: their role holds for every project. A key is a program: a read key is a viewer of its own project,
an admin key the admin of its own project, an ingest key nobody at all outside of ingest. The admin keys of the project
`default`, which belongs to the installation itself, are admins of all projects and of the installation: that is how the
key of the first start makes projects and keys. A cookie counts only together with its CSRF token on unsafe methods; a
Bearer key needs none, wins over a cookie, and is refused rather than ignored when it is wrong.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar, cast

import flask_login
from flask import abort, g, redirect, request, url_for
from sqlalchemy.orm import Session

from quadra.accounts import sessions
from quadra.accounts.csrf import check_csrf, from_own_page
from quadra.accounts.keys import LONGEST, TOUCH_EVERY, Key, find_key, get_key, touch_keys
from quadra.accounts.projects import DEFAULT, OWN, get_project
from quadra.accounts.sessions import Member
from quadra.accounts.tables import ROLES, Project, Role, Scope
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Forbidden, NotFound, Unauthorised, Unavailable
from quadra.core.web.http import runtime

log = logging.getLogger(__name__)
KEY_ROLES: dict[Scope, Role] = {"read": "viewer", "admin": "admin"}


class Owned(Protocol):
    """A row that belongs to a project."""

    @property
    def project_id(self) -> int: ...


R = TypeVar("R", bound=Owned)


@dataclass(frozen=True, slots=True)
class Caller:
    kind: Literal["session", "key", "stranger"]
    role: Role | None = None
    user: Member | None = None
    key: Key | None = None
    projects: frozenset[int] | None = frozenset()
    """The ids of the projects that may be seen; None is all of them."""

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        if self.user is not None:
            return f"user:{self.user.email}"
        return "stranger" if self.key is None else f"key:{self.key.prefix}"

    @property
    def counted_as(self) -> str:
        """The name under which limits count them; empty for a stranger, who is counted by address. Whoever may nothing is one:
        a write key stands in pages for everybody to read."""
        if self.key is not None:
            return f"key:{self.key.id}" if self.role else ""
        return "" if self.user is None else f"user:{self.user.id}"

    def sees(self, project_id: int) -> bool:
        return self.projects is None or project_id in self.projects

    @property
    def sees_installation(self) -> bool:
        """Whether figures of all projects, of the machine, and paths are for them: for users, for admin keys of `default`, and
        for keys of the project in which the installation observes itself. A key of another project sees that project."""
        if self.key is not None and self.key.project_slug == OWN and self.may("viewer"):
            return True
        return self.may("viewer") and self.projects is None

    def may(self, role: str) -> bool:
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)


STRANGER = Caller("stranger")


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
    _check(found, role)
    return found


def person() -> Member:
    """Who is logged in. Raises `Unauthorised`, and `Forbidden` for a key."""
    if (found := require("viewer").user) is None:
        raise Forbidden("A key has neither password nor sessions. Log in.")
    return found


def require(role: str) -> Caller:
    """The caller, who has at least `role`. Raises `Unauthorised` or `Forbidden`.

    For what belongs to no single project. Whoever is bound to one project passes as viewer only (and sees only what
    `Caller.sees`): anything more would reach into the projects of others.
    """
    found = require_role(role)
    if role != "viewer" and found.projects is not None:
        raise Forbidden(f"This key belongs to one project; use an admin key of the project {DEFAULT!r}.")
    return found


def require_installation() -> Caller:
    """The caller, who may see figures of the whole installation. Raises `Unauthorised` or `Forbidden`."""
    found = caller()
    check_installation(found)
    return found


def check_installation(found: Caller) -> None:
    """Raises `Unauthorised` or `Forbidden`."""
    _check(found, "viewer")
    if not found.sees_installation:
        raise Forbidden(
            f"These are figures of the whole installation: log in, or use a read key of the project {OWN!r} "
            f"or an admin key of {DEFAULT!r}."
        )


def require_project(slug: str | None, role: str) -> Project:
    """The project, where the caller has at least `role`. Without a `slug` the key's own, else `default`.

    Raises `NotFound` for a project that the caller may not see, just as for one that is not there.
    """
    who = require_role(role)
    wanted = slug or (who.key.project_slug if who.key else DEFAULT)
    with runtime().database.read() as session:
        project = get_project(session, wanted)
    if not who.sees(project.id):
        raise NotFound(f"There is no project {wanted!r}.")
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
        found = _by_key(session, shown.key) if shown.key else _by_session(session, claim)
    _check(found, role)
    return found


def _find_caller() -> Caller:
    scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        with runtime().database.read() as session:
            found = _by_key(session, plain.strip())
            last_used_at = get_key(session, cast(Key, found.key).id).last_used_at
        _touch(cast(Key, found.key), last_used_at)
        return found
    if not sessions.session_id() or not flask_login.current_user.is_authenticated:
        return STRANGER
    check_csrf()
    found = flask_login.current_user._get_current_object()
    if sessions.note_use():
        _touch_session(found)
    return _of_member(found)


def _by_key(session: Session, plain: str) -> Caller:
    key = find_key(session, plain) if len(plain) <= LONGEST else None
    if key is None:
        raise Unauthorised("This key is not known, or it was revoked.")
    everywhere = key.scope == "admin" and key.project_slug == DEFAULT
    projects = None if everywhere else frozenset({key.project_id})
    return Caller("key", role=KEY_ROLES.get(key.scope), key=key, projects=projects)


def _by_session(session: Session, claim: str) -> Caller:
    found = sessions.find_member(session, claim)
    return STRANGER if found is None else _of_member(found)


def _of_member(found: Member) -> Caller:
    return Caller("session", role=found.role, user=found, projects=None)


def _check(who: Caller, role: str) -> None:
    if who.kind == "stranger":
        raise Unauthorised("Log in, or send a key as Authorization: Bearer qk_….")
    if who.role is None:
        raise Forbidden("A write key sends events and nothing else; use a read or an admin key.")
    if not who.may(role):
        raise Forbidden(f"This needs the role {role}; you are {who.role}.")


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

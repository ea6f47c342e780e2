"""Sessions: a signed cookie that names a user, the epoch of that user and the session. Raising the epoch ends all of them;
logging out ends one. By itself a session ends 30 days after its login, and earlier when it was not used for SESSION_IDLE.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, has_request_context, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import LoginManager, login_user, logout_user
from sqlalchemy.orm import Session
from werkzeug.local import LocalProxy

from quadra.accounts.csrf import csrf_token
from quadra.accounts.secure_cookies import cookie_name
from quadra.accounts.tables import EndedSession, InstallationRole, ProjectRole, Role, User, UserSession
from quadra.core import clock
from quadra.core.web.addresses import client_address, over_tls
from quadra.core.web.http import runtime

LASTS = timedelta(days=30)
NAME = "quadra_session"  # cookies know no port: `session` would be shared with the next Flask app
BEGAN, SEEN = "began", "seen"
"""When the session was made, and about when it was used last: seconds since 1970, in the cookie."""
NOTED_EVERY = timedelta(hours=1)
USER_FIELD = "_user_id"  # where Flask-Login keeps what `get_id` says


@dataclass(frozen=True, slots=True)
class Member:
    """A user as a request sees them: read once, tied to no database session."""

    id: int
    email: str
    name: str
    role: InstallationRole
    epoch: int
    session: str = ""
    roles: Mapping[int, Role] = field(default_factory=dict)
    """In single projects, by their ids."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return f"{self.id}.{self.epoch}.{self.session}"


class _Cookies(SecureCookieSessionInterface):
    """Flask's session cookies, marked Secure and named so wherever the browser came by https."""

    def get_cookie_name(self, app: Flask) -> str:
        return cookie_name(NAME)

    def get_cookie_secure(self, app: Flask) -> bool:
        return over_tls()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """What any cache may keep is the same for everybody, whoever looked at the cookie on the way."""
        super().save_session(app, session, response)
        if response.cache_control.public:
            response.vary.discard("Cookie")


def set_up(app: Flask, *, secret: str) -> None:
    """Give `app` session cookies signed with `secret`, Flask-Login, and `csrf_token` in every template."""
    app.secret_key = secret
    app.session_interface = _Cookies()
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=LASTS,
        # `note_use` does it, now and then: a slow answer that sets the cookie again undoes a login that overtook it
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    manager = LoginManager()
    manager.session_protection = None  # it compares addresses, which change when a laptop changes networks
    manager.user_loader(_load)
    manager.init_app(app)
    app.context_processor(_template_values)


def record_session(database_session: Session, user: User) -> str:
    """Note that a session of `user` begins with this request. Its id, for `sign_in`."""
    database_session.execute(sa.delete(UserSession).where(UserSession.began_at < clock.now() - LASTS))
    named = secrets.token_hex(16)
    agent = "".join(one for one in request.user_agent.string[:300] if one.isprintable())
    address = client_address()[:64]
    database_session.add(UserSession(id=named, user_id=user.id, epoch=user.session_epoch, address=address, agent=agent))
    return named


def sign_in(user: User, named: str) -> None:
    """Begin the session `named` in this request's answer; whatever the cookie held before is forgotten."""
    session.clear()
    session.permanent = True
    session[BEGAN] = session[SEEN] = _now()
    login_user(replace(member(user), session=named))


def sign_out(database_session: Session) -> None:
    """End the session of this request for good."""
    if named := _parts(session_id())[2]:
        end(database_session, named)
    logout_user()
    session.clear()


def end(database_session: Session, named: str) -> None:
    """The cookie of this session opens nothing any more. Forgets those whose cookies have run out by themselves."""
    database_session.execute(sa.delete(EndedSession).where(EndedSession.at < clock.now() - LASTS))
    database_session.merge(EndedSession(id=named))


def list_sessions(database_session: Session, *, user: Member) -> list[UserSession]:
    """The sessions of `user` that go on, the one that was used last first."""
    now = clock.now()
    ended = sa.exists().where(EndedSession.id == UserSession.id)
    query = sa.select(UserSession).where(UserSession.user_id == user.id, UserSession.epoch == user.epoch, ~ended)
    query = query.where(UserSession.began_at > now - LASTS, UserSession.seen_at > now - runtime().settings.session_idle)
    return list(database_session.scalars(query.order_by(UserSession.seen_at.desc(), UserSession.id)))


def session_id() -> str:
    """What the cookie of this request claims, as `find_member` reads it; empty for a stranger. Does not block."""
    return str(session.get(USER_FIELD, "")) if ends_at() > _now() else ""


def ends_at() -> float:
    """When the session of this request ends unless it is used once more; 0 where there is none."""
    began, seen = session.get(BEGAN), session.get(SEEN)
    if not isinstance(began, int) or not isinstance(seen, int):
        return 0
    return min(began + LASTS.total_seconds(), seen + runtime().settings.session_idle.total_seconds())


def note_use() -> bool:
    """The session of this request is in use. Written into the cookie once an hour, or as often as the setting needs: whether
    it was just now."""
    every = min(NOTED_EVERY, runtime().settings.session_idle / 10).total_seconds()
    if (now := _now()) - session[SEEN] >= every:
        session[SEEN] = now
        return True
    return False


def touch(database_session: Session, named: str) -> None:
    """The session is in use: for its owner, who looks at the list."""
    database_session.execute(sa.update(UserSession).where(UserSession.id == named).values(seen_at=clock.now()))


def find_member(database_session: Session, claim: str) -> Member | None:
    """The user that a cookie claims to be, unless disabled or the session was ended."""
    user_id, epoch, named = _parts(claim)
    if not user_id.isdecimal() or not epoch.isdecimal():
        return None
    query = sa.select(User).where(User.id == int(user_id), User.disabled_at.is_(None))
    ended = sa.exists().where(EndedSession.id == named)
    user = database_session.scalar(query.where(User.session_epoch == int(epoch), ~ended))
    if user is None:
        return None
    roles = database_session.scalars(sa.select(ProjectRole).where(ProjectRole.user_id == user.id))
    return replace(member(user), session=named, roles={one.project_id: one.role for one in roles})


def _now() -> int:
    return int(clock.now().timestamp())


def _parts(claim: str) -> list[str]:
    """Id and epoch of the user, and the session; each empty where it is missing."""
    return [*claim.split("."), "", ""][:3]


def member(user: User) -> Member:
    return Member(user.id, user.email, user.name, user.role, user.session_epoch)


def _load(claim: str) -> Member | None:
    with runtime().database.read() as database_session:
        return find_member(database_session, claim)


def _template_values() -> dict[str, Any]:
    """The token is made where a template writes it: a page without one begins no session and sets no cookie."""
    return {"csrf_token": LocalProxy(csrf_token)} if has_request_context() else {}

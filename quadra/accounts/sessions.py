"""Sessions: a signed cookie that names a user, the epoch of that user and the session. Raising the epoch ends all of them;
logging out ends one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask, has_request_context, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, login_user, logout_user
from sqlalchemy.orm import Session
from werkzeug.local import LocalProxy

from quadra.accounts.csrf import csrf_token
from quadra.accounts.tables import EndedSession, User
from quadra.core import clock
from quadra.core.limits import from_trusted_peer
from quadra.core.runtime import runtime
from quadra.core.settings import Settings

LASTS = timedelta(days=30)
USER_FIELD = "_user_id"  # where Flask-Login keeps what `get_id` says


@dataclass(frozen=True, slots=True)
class Member:
    """A user as a request sees them: read once, tied to no database session."""

    id: int
    email: str
    name: str
    role: str
    epoch: int
    session: str = ""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return f"{self.id}.{self.epoch}.{self.session}"


class _Cookies(SecureCookieSessionInterface):
    """Flask's session cookies, marked Secure wherever the browser came by https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        if super().get_cookie_secure(app):
            return True
        if not has_request_context():
            return False
        return request.is_secure or (
            from_trusted_peer() and request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip() == "https"
        )


def set_up(app: Flask, settings: Settings, *, secret: str) -> None:
    """Give `app` session cookies signed with `secret`, Flask-Login, and `csrf_token` in every template."""
    app.secret_key = secret
    app.session_interface = _Cookies()
    app.config.update(
        SESSION_COOKIE_NAME="quadra_session",  # cookies know no port: `session` would be shared with the next Flask app
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=LASTS,
        # a slow answer that sets the cookie again would undo a logout that overtook it
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    manager = LoginManager()
    manager.session_protection = None  # it compares addresses, which change when a laptop changes networks
    manager.user_loader(_load)
    manager.init_app(app)
    app.context_processor(_template_values)


def sign_in(user: User) -> None:
    """Begin a session in this request's answer; whatever the cookie held before is forgotten."""
    session.clear()
    session.permanent = True
    login_user(replace(member(user), session=secrets.token_hex(16)))


def sign_out(database_session: Session) -> None:
    """End the session of this request for good, and forget those whose cookies have run out by themselves."""
    if named := _parts(session_id())[2]:
        database_session.execute(sa.delete(EndedSession).where(EndedSession.at < clock.now() - LASTS))
        database_session.merge(EndedSession(id=named))
    logout_user()
    session.clear()


def session_id() -> str:
    """What the cookie of this request claims, as `find_member` reads it; empty for a stranger. Does not block."""
    return str(session.get(USER_FIELD, ""))


def find_member(database_session: Session, claim: str) -> Member | None:
    """The user that a cookie claims to be, unless disabled or the session was ended."""
    user_id, epoch, named = _parts(claim)
    if not user_id.isdecimal() or not epoch.isdecimal():
        return None
    query = sa.select(User).where(User.id == int(user_id), User.disabled_at.is_(None))
    ended = sa.exists().where(EndedSession.id == named)
    user = database_session.scalar(query.where(User.session_epoch == int(epoch), ~ended))
    return None if user is None else replace(member(user), session=named)


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

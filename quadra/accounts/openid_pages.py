"""The two addresses of an OpenID sign-in: the button leads to the first, the issuer back to the second."""

from __future__ import annotations

from dataclasses import astuple

from flask import Blueprint, after_this_request, redirect, request
from flask import session as cookie
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from quadra.accounts import audit, openid, second_factor, sessions, tries
from quadra.accounts.logging_in import wait_for_code
from quadra.accounts.login_pages import login_page, same_site_path
from quadra.accounts.openid import AGAIN, LASTS, Begun, Person, Provider
from quadra.accounts.passwords import Hashed, hash_password, random_password
from quadra.accounts.tables import User
from quadra.accounts.users import create_user, find_user, look_for_user, record_login
from quadra.core import clock
from quadra.core.errors import Conflict, Forbidden, NotFound, QuadraError, Unauthorised, Unavailable
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address

pages = Blueprint("openid_pages", __name__)

BEGUN = "openid"
"""What the cookie holds of a sign-in that waits for its answer."""
NOT_STORED = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@pages.get("/auth/oidc/start")
def start() -> ResponseReturnValue:
    """On to the issuer."""
    _require_configured()
    target = same_site_path(request.args.get("next", ""))
    try:
        url, begun = runtime().the(Provider).begin(_callback(), target)
    except Unavailable as error:
        return login_page(error, target)
    cookie[BEGUN] = list(astuple(begun))
    return redirect(url, 303), NOT_STORED


@pages.get("/auth/oidc/callback")
def callback() -> ResponseReturnValue:
    """The browser comes back with the issuer's answer. It is taken once, from the browser that began."""
    _require_configured()
    target = "/"
    try:
        begun = _begun()
        target = begun.target
        with runtime().database.begin() as session:
            openid.spend(session, begun.state)
        if "code" not in request.args:
            raise Unauthorised("The sign-in service did not let you in, or you turned back there.")
        person = runtime().the(Provider).finish(begun, request.args, _callback())
        openid.check_domain(runtime().settings, person.email)
        user = _user(person)
        if _has_second_factor(user):
            wait_for_code(user)
            asked = Unauthorised(
                "Enter the code of your authenticator app, or a recovery code.", code=second_factor.REQUIRED
            )
            return login_page(asked, target)
        _enter(user)
    except (Unauthorised, Forbidden, Unavailable, Conflict) as error:
        _record_failure(error)
        return login_page(error, target)
    return redirect(target, 303), NOT_STORED


def _require_configured() -> None:
    if not openid.configured(runtime().settings):
        raise NotFound("Sign-in by OpenID is not set up here.")


def _callback() -> str:
    base = (runtime().settings.public_url or request.host_url).rstrip("/")
    return f"{base}/auth/oidc/callback"


def _begun() -> Begun:
    """Raises `Unauthorised` where this browser began nothing, something else, or too long ago."""
    held = cookie.pop(BEGUN, None)
    shown = request.args.get("state", "")
    if not isinstance(held, list):
        raise Unauthorised(AGAIN)
    begun = Begun(*held)
    if not openid.same(begun.state, shown) or clock.now().timestamp() - begun.at > LASTS.total_seconds():
        raise Unauthorised(AGAIN)
    return begun


def _user(person: Person) -> User:
    """The account of that address; a new one where there is none, and people may join."""
    settings = runtime().settings
    with runtime().database.read() as session:
        user = _find(session, person.email)
    if user is not None:
        return user
    if not openid.may_join(settings):
        raise Forbidden("There is no account for this e-mail address. Ask an admin to invite you.")
    hashed: Hashed = hash_password(random_password(), email=person.email, name=person.name)
    try:
        with runtime().database.begin() as session:
            user = create_user(
                session, email=person.email, password=hashed, role=settings.oidc_default_role, name=person.name
            )
            audit.record(
                session,
                actor=f"user:{user.email}",
                action="accounts.user.joined",
                subject=user.email,
                address=client_address(),
                details={"by": settings.oidc_issuer, "role": user.role},
            )
            return user
    except Conflict:  # the same person, in another tab
        with runtime().database.read() as session:
            return find_user(session, person.email)


def _find(session: Session, email: str) -> User | None:
    user = look_for_user(session, email)
    if user is not None and user.disabled_at is not None:
        raise Unauthorised("This account is disabled; ask an admin.", code="disabled")
    return user


def _has_second_factor(user: User) -> bool:
    with runtime().database.read() as session:
        return second_factor.find(session, user.id) is not None


def _enter(user: User) -> None:
    with runtime().database.begin() as session:
        record_login(session, user=user)
        details = {"by": runtime().settings.oidc_issuer}
        actor, address = f"user:{user.email}", client_address()
        audit.record(session, actor=actor, action=tries.LOGGED_IN, address=address, details=details)
        named = sessions.record_session(session, user)
    sessions.sign_in(user, named)
    after_this_request(lambda response: tries.remember_device(response, tries.account_of(user.email)))


def _record_failure(error: QuadraError) -> None:
    if isinstance(error, Unavailable):
        return
    with runtime().database.begin() as session:
        details = {"by": runtime().settings.oidc_issuer, "why": error.message}
        audit.record(
            session, actor="stranger", action="accounts.login.failed", address=client_address(), details=details
        )

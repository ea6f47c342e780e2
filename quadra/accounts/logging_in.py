"""Logging in and out, for the page and for its JSON twin alike."""

from __future__ import annotations

from flask import Response, after_this_request, g
from flask_limiter import RateLimitExceeded

from quadra.accounts import audit, sessions, tries
from quadra.accounts.access import caller
from quadra.accounts.passwords import hash_again
from quadra.accounts.tables import User
from quadra.accounts.users import authenticate, normalise_email, record_login
from quadra.core.errors import Unauthorised
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address, client_network, limited, limiter

MOST_BYTES = 16 * 1024
"""Of a body by which somebody logs in: no stranger needs more."""


def enter(email: str, password: str) -> User:
    """Begin a session in this request's answer. Raises `Unauthorised`, `Limited`."""
    user = try_password(email, password, known=False)
    rehashed = hash_again(user.password_hash, password)
    with runtime().database.begin() as session:
        record_login(session, user=user, rehashed=rehashed)
        audit.record(session, actor=f"user:{user.email}", action=tries.LOGGED_IN, address=client_address())
    sessions.sign_in(user)
    after_this_request(lambda response: tries.remember_device(response, tries.account_of(user.email)))
    return user


def leave() -> None:
    """End the session of this request. Fine for somebody who is not logged in."""
    who = caller()
    if who.kind != "session":
        return
    after_this_request(_clear)
    with runtime().database.begin() as session:
        audit.record(session, actor=who.actor, action="accounts.logout.succeeded", address=client_address())
        sessions.sign_out(session)


def _clear(response: Response) -> Response:
    """Have the browser forget what it kept of pages: the next one at the same machine is somebody else. Its storage holds no
    more than the colour scheme."""
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def try_password(email: str, password: str, *, known: bool) -> User:
    """The user. A wrong password is noted in the audit log; after too many tries no password is looked at at all.

    `known` is whoever is logged in already.
    """
    email = normalise_email(email)
    account = tries.account_of(email)
    device = tries.device(account)
    # a browser that knows the account has its own few tries a minute, whoever else is at its address
    g.login_bucket = f"{account}/{device or client_network()}"
    try:
        return _authenticate(email, password, unknown="" if known or device else account)
    except RateLimitExceeded as error:
        raise limited(error) from error
    except Unauthorised:
        with runtime().database.begin() as session:
            audit.record(
                session,
                actor="stranger",
                action="accounts.login.failed",
                subject=email,
                address=client_address(),
            )
        raise


@limiter.shared_limit(
    lambda: f"{runtime().settings.rate_limit_login}/minute", scope="login", key_func=lambda: g.login_bucket
)
def _authenticate(email: str, password: str, *, unknown: str) -> User:
    if unknown:
        tries.hold(unknown, email)
    with runtime().database.read() as session:
        return authenticate(session, email, password)

"""Logging in and out, for the page and for its JSON twin alike."""

from __future__ import annotations

from flask import Response, after_this_request, g
from flask import session as cookie
from flask_limiter import RateLimitExceeded

from quadra.accounts import audit, second_factor, sessions, tries
from quadra.accounts.access import caller
from quadra.accounts.csrf import refuse_foreign_form
from quadra.accounts.passwords import Hashed, hash_again
from quadra.accounts.tables import User
from quadra.accounts.users import authenticate, find_user, normalise_email, record_login
from quadra.core import clock
from quadra.core.errors import Unauthorised
from quadra.core.web.http import bound_body, runtime
from quadra.core.web.limits import client_address, client_network, limited, limiter

MOST_BYTES = 16 * 1024
"""Of a body by which somebody logs in: no stranger needs more."""
STEP, STEP_LASTS = "second_step", 300
"""Whose password was right, and when, in the cookie of a browser that is to send the code; for how many seconds."""
AGAIN = "It took too long, or the account has changed. Enter your e-mail address and your password once more."


def small_and_our_own() -> None:
    """Before a body with a password is read."""
    refuse_foreign_form()
    bound_body(MOST_BYTES)


def enter(email: str, password: str, code: str = "") -> User:
    """Begin a session in this request's answer. Raises `Unauthorised`, with the code `second_factor_required` where only the
    `code` is missing; `Limited`."""
    user = try_password(email, password, known=False)
    return _begin(user, code, rehashed=hash_again(user.password_hash, password))


def enter_by_page(email: str, password: str, code: str) -> User:
    """The same in two steps: after the right password, the next form of this browser sends the code alone.

    The cookie says for `STEP_LASTS` whose password it was. It is signed, and opens nothing.
    """
    waiting = cookie.pop(STEP, None)
    if password or not code:
        try:
            return enter(email, password, code)
        except Unauthorised as error:
            if error.code in (second_factor.REQUIRED, second_factor.WRONG):
                with runtime().database.read() as session:
                    user = find_user(session, email)
                wait_for_code(user)
            raise
    if not waiting or clock.now().timestamp() - waiting[2] > STEP_LASTS:
        raise Unauthorised(AGAIN)
    _count_try(waiting[0], known=False)
    with runtime().database.read() as session:
        user = find_user(session, waiting[0])
    if user.session_epoch != waiting[1]:  # it has another password by now, or is disabled
        raise Unauthorised(AGAIN)
    try:
        return _begin(user, code, rehashed=None)
    except Unauthorised:
        cookie[STEP] = waiting
        raise


def wait_for_code(user: User) -> None:
    """The next form of this browser sends the code alone: who it is was shown."""
    cookie[STEP] = [user.email, user.session_epoch, int(clock.now().timestamp())]


def _begin(user: User, code: str, *, rehashed: Hashed | None) -> User:
    try:
        with runtime().database.begin() as session:
            second_factor.check(session, user_id=user.id, code=code, key=second_factor.key())
            record_login(session, user=user, rehashed=rehashed)
            audit.record(session, actor=f"user:{user.email}", action=tries.LOGGED_IN, address=client_address())
            named = sessions.record_session(session, user)
    except Unauthorised as error:
        if error.code == second_factor.WRONG:
            _record_failure(user.email, error.code)
        raise
    sessions.sign_in(user, named)
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
    _count_try(email, known=known)
    try:
        with runtime().database.read() as session:
            return authenticate(session, email, password)
    except Unauthorised:
        _record_failure(email)
        raise


def _count_try(email: str, *, known: bool) -> None:
    """Raises `Limited`."""
    account = tries.account_of(email)
    device = tries.device(account)
    # a browser that knows the account has its own few tries a minute, whoever else is at its address
    g.login_bucket = f"{account}/{device or client_network()}"
    try:
        _counted(email, unknown="" if known or device else account)
    except RateLimitExceeded as error:
        raise limited(error) from error


def _record_failure(email: str, why: str = "") -> None:
    with runtime().database.begin() as session:
        audit.record(
            session,
            actor="stranger",
            action="accounts.login.failed",
            subject=email,
            address=client_address(),
            details={"why": why} if why else None,
        )


@limiter.shared_limit(
    lambda: f"{runtime().settings.rate_limit_login}/minute", scope="login", key_func=lambda: g.login_bucket
)
def _counted(email: str, *, unknown: str) -> None:
    if unknown:
        tries.hold(unknown, email)

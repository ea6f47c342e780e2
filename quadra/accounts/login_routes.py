"""In and out: the login page, its JSON twin, and who one is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, after_this_request, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded

from quadra.accounts import audit, sessions, tries
from quadra.accounts.access import caller, require
from quadra.accounts.bodies import text, user_body
from quadra.accounts.csrf import check_csrf, csrf_token, refuse_foreign_form
from quadra.accounts.passwords import hash_again, hash_password
from quadra.accounts.projects import list_projects
from quadra.accounts.tables import User
from quadra.accounts.users import (
    authenticate,
    normalise_email,
    record_login,
    set_password,
)
from quadra.core.errors import Forbidden, Limited, QuadraError, Unauthorised
from quadra.core.web.http import bound_body, json_body, runtime
from quadra.core.web.limits import client_address, client_network, limited, limiter

login = Blueprint("login", __name__)

MOST_BYTES = 16 * 1024
"""Of a body by which somebody logs in: no stranger needs more."""


@login.get("/login")
def show_page() -> ResponseReturnValue:
    """The login page; straight on for somebody who is logged in."""
    target = same_site_path(request.args.get("next", ""))
    if caller().kind == "session":
        return redirect(target, 303)
    return _page(None, target)


@login.post("/login")
def submit_page() -> ResponseReturnValue:
    """Log in by the form. Needs the token of the page, so that no other site logs somebody in as somebody else."""
    bound_body(MOST_BYTES)
    target = same_site_path(request.form.get("next", ""))
    try:
        check_csrf()
        _log_in(request.form.get("email", ""), request.form.get("password", ""))
    except (Forbidden, Unauthorised, Limited) as error:
        return _page(error, target)
    return redirect(target, 303)


@login.post("/logout")
def leave_page() -> ResponseReturnValue:
    """Log out by the form."""
    _log_out()
    return redirect("/login", 303)


@login.post("/api/auth/login")
def log_in() -> ResponseReturnValue:
    """Log in: sets the session cookie and answers with the CSRF token that unsafe methods need."""
    refuse_foreign_form()
    bound_body(MOST_BYTES)
    body = json_body()
    user = _log_in(text(body, "email"), text(body, "password"))
    return {"user": user_body(user), "csrf_token": csrf_token()}


@login.post("/api/auth/logout")
def log_out() -> ResponseReturnValue:
    """Log out. Fine for somebody who is not logged in."""
    _log_out()
    return {"success": True}


@login.get("/api/auth/me")
def who_am_i() -> ResponseReturnValue:
    """Who is calling, with which role, and which projects they see."""
    found = caller()
    if found.kind == "stranger":
        raise Unauthorised
    with runtime().database.read() as session:
        slugs = [project.slug for project in list_projects(session, ids=found.projects)]
    answer: dict[str, Any] = {"kind": found.kind, "role": found.role, "projects": slugs, "user": None, "key": None}
    if found.user is not None:
        answer |= {"user": user_body(found.user), "csrf_token": csrf_token()}
    if found.key is not None:
        key = found.key
        answer["key"] = {"id": key.id, "prefix": key.prefix, "scope": key.scope, "project": key.project_slug}
    return answer


@login.post("/api/auth/password")
def change_password() -> ResponseReturnValue:
    """Change one's own password. Every other session of the user ends; this one goes on."""
    member = require("viewer").user
    if member is None:
        raise Forbidden("A key has no password.")
    body = json_body()
    _try(member.email, text(body, "current_password"), known=True)
    hashed = hash_password(text(body, "new_password"), email=member.email, name=member.name, field="new_password")
    with runtime().database.begin() as session:
        user = set_password(session, user_id=member.id, password=hashed)
        actor, address = f"user:{user.email}", client_address()
        audit.record(session, actor=actor, action="accounts.user.password_changed", subject=user.email, address=address)
    sessions.sign_in(user)
    return {"user": user_body(user), "csrf_token": csrf_token()}


def same_site_path(target: str) -> str:
    """`target` where it is a path of this site, else `/`. Browsers read `\\` as `/` and skip control characters."""
    if target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable():
        return target
    return "/"


def _log_in(email: str, password: str) -> User:
    user = _try(email, password, known=False)
    rehashed = hash_again(user.password_hash, password)
    with runtime().database.begin() as session:
        record_login(session, user=user, rehashed=rehashed)
        audit.record(session, actor=f"user:{user.email}", action=tries.LOGGED_IN, address=client_address())
    sessions.sign_in(user)
    after_this_request(lambda response: tries.remember_device(response, tries.account_of(user.email)))
    return user


def _try(email: str, password: str, *, known: bool) -> User:
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


def _log_out() -> None:
    found = caller()
    if found.kind != "session":
        return
    with runtime().database.begin() as session:
        audit.record(session, actor=found.actor, action="accounts.logout.succeeded", address=client_address())
        sessions.sign_out(session)


def _page(error: QuadraError | None, target: str) -> ResponseReturnValue:
    page = render_template(
        "login.html",
        error=error.message if error else None,
        email=request.form.get("email", ""),
        next=target,
        csrf_token=csrf_token(),
    )
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, Limited) else {}
    return page, error.status if error else 200, headers | {"Cache-Control": "no-store"}

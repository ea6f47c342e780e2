"""The login page and its forms, for people with a browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from quadra.accounts import openid
from quadra.accounts.access import caller
from quadra.accounts.csrf import check_csrf, csrf_token
from quadra.accounts.logging_in import MOST_BYTES, enter_by_page, leave
from quadra.accounts.second_factor import REQUIRED, WRONG
from quadra.core.errors import Forbidden, Limited, QuadraError, Unauthorised
from quadra.core.web.http import bound_body, runtime

pages = Blueprint("login_pages", __name__)


@pages.get("/login")
def show_page() -> ResponseReturnValue:
    """The login page; straight on for somebody who is logged in."""
    target = same_site_path(request.args.get("next", ""))
    if caller().kind == "session":
        return redirect(target, 303)
    return login_page(None, target)


@pages.post("/login")
def submit_page() -> ResponseReturnValue:
    """Log in by the form. Needs the token of the page, so that no other site logs somebody in as somebody else."""
    bound_body(MOST_BYTES)
    target = same_site_path(request.form.get("next", ""))
    try:
        check_csrf()
        enter_by_page(request.form.get("email", ""), request.form.get("password", ""), request.form.get("code", ""))
    except (Forbidden, Unauthorised, Limited) as error:
        return login_page(error, target)
    return redirect(target, 303)


@pages.get("/set-password")
def show_set_password() -> ResponseReturnValue:
    """For who was given a link. What opens it stands behind the `#`, which browsers send to nobody."""
    return render_template("set_password.html"), 200, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@pages.post("/logout")
def leave_page() -> ResponseReturnValue:
    """Log out by the form."""
    leave()
    return redirect("/login", 303)


def same_site_path(target: str) -> str:
    """`target` where it is a path of this site, else `/`. Browsers read `\\` as `/` and skip control characters."""
    if target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable():
        return target
    return "/"


def login_page(error: QuadraError | None, target: str) -> ResponseReturnValue:
    """The form, with what was wrong."""
    settings = runtime().settings
    page = render_template(
        "login.html",
        error=error.message if error else None,
        email=request.form.get("email", ""),
        next=target,
        asks_code=error is not None and error.code in (REQUIRED, WRONG),
        openid=urlsplit(settings.oidc_issuer).hostname if openid.configured(settings) else None,
        csrf_token=csrf_token(),
    )
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, Limited) else {}
    return page, error.status if error else 200, headers | {"Cache-Control": "no-store"}

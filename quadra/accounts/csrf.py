"""The proof that a form or a script came from our own page: a token in the signed session, repeated in the request.

Only requests that the browser authenticates by itself, with its cookie, need it. A key is never sent by itself.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from flask import request, session

from quadra.core.errors import Forbidden
from quadra.core.web.http import runtime
from quadra.core.web.limits import from_trusted_peer

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
HEADER = "X-CSRF-Token"
FIELD = "csrf_token"


def csrf_token() -> str:
    """The token of this session, made when it is first asked for."""
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(32)
    token: str = session[FIELD]
    return token


def check_csrf() -> None:
    """Raises `Forbidden`, code `csrf`, unless the request repeats the token of its session. Safe methods pass."""
    if request.method in SAFE_METHODS:
        return
    shown = request.headers.get(HEADER) or request.form.get(FIELD, "")
    known = session.get(FIELD, "")
    if not known or not hmac.compare_digest(shown.encode(), known.encode()):
        raise Forbidden(f"The page is out of date: reload it, or send its token as {HEADER}.", code="csrf")


def refuse_foreign_form() -> None:
    """Raises `Forbidden` for a body that another site's form could have sent: for routes that ask for no token.

    A form cannot say `application/json`, and a script of another site must ask first before it may.
    """
    if request.headers.get("Origin") and not request.is_json:
        raise Forbidden("Send the body as Content-Type: application/json.", code="csrf")


def from_own_page() -> bool:
    """Whether the request names no Origin, one of ours, or one of `cors_origins`.

    For sockets that are let in by the cookie: browsers ask nobody before they open a socket to another site, and take
    another port of the same host for the same site.
    """
    origin = request.headers.get("Origin", "").lower()
    settings = runtime().settings
    hosts = {request.host.lower(), urlsplit(settings.public_url).netloc.lower()}
    if from_trusted_peer():
        hosts.add(request.headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip().lower())
    netloc = urlsplit(origin).netloc
    return not origin or (netloc != "" and netloc in hosts) or origin in settings.cors_origins

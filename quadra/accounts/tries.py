"""How often a password of one account may be tried, from wherever.

Each address has its own few tries a minute (`logging_in.py`), which many addresses together get around. So the account counts,
too: beyond `FREE` tries an hour, the next ones wait, twice as long after each, `LONGEST_WAIT` at the most. Its owner must not be
locked out by that. Who comes from where the account logged in lately, or with the cookie that a login leaves in a browser, is not
counted here; and the first try of an address within the hour waits for nobody, until there were `CROWD` of them.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from datetime import timedelta

import sqlalchemy as sa
from flask import Response, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from quadra.accounts.secure_cookies import cookie_name
from quadra.accounts.tables import AuditEntry
from quadra.core import clock
from quadra.core.errors import Limited
from quadra.core.web.addresses import network_of, over_tls
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_network, count_in, limiter

FREE = 10
CROWD = 50
LONGEST_WAIT = 60
HOUR = 3600
REMEMBERED = 200
"""Tries of an hour that are kept: as many as change anything."""
LATELY = timedelta(days=30)
PLACES = 500
"""Logins that are looked at, the newest ones."""
DEVICE = "quadra_device"
DEVICE_LASTS = timedelta(days=180)
LOGGED_IN = "accounts.login.succeeded"


def account_of(email: str) -> str:
    """The account as counters name it: short whatever was typed, and Redis learns no addresses."""
    return hashlib.sha256(email.encode()).hexdigest()


def device(account: str) -> str:
    """The browser that sent this request, if somebody logged in to the account with it; else empty."""
    try:
        shown, named = _serializer().loads(
            request.cookies.get(cookie_name(DEVICE), ""), max_age=int(DEVICE_LASTS.total_seconds())
        )
    except (BadSignature, ValueError, TypeError):
        return ""
    return str(named) if shown == account else ""


def remember_device(response: Response, account: str) -> Response:
    """Leave the cookie by which `device` knows this browser again. It opens nothing."""
    value = _serializer().dumps([account, device(account) or secrets.token_hex(8)])
    response.set_cookie(
        cookie_name(DEVICE), value, max_age=DEVICE_LASTS, secure=over_tls(), httponly=True, samesite="Lax"
    )
    return response


def hold(account: str, email: str) -> None:
    """Count a try from an unknown browser. Blocks. Raises `Limited` where it has to wait."""
    if not limiter.enabled:
        return
    history, place, gate = (f"login/{kind}/{account}" for kind in ("history", f"place/{client_network()}", "gate"))
    count = count_in(runtime(), lambda storage: storage.get_moving_window(history, REMEMBERED, HOUR))[1]
    first = count_in(runtime(), lambda storage: storage.acquire_entry(place, 1, HOUR))
    if count >= FREE and not (first and count < CROWD) and not _was_here(email):
        wait = min(LONGEST_WAIT, 2 ** (count - FREE + 1))
        if not count_in(runtime(), lambda storage: storage.acquire_entry(gate, 1, wait)):
            since = count_in(runtime(), lambda storage: storage.get_moving_window(gate, 1, wait))[0]
            seconds = min(wait, max(1, math.ceil(since + wait - time.time())))
            raise Limited(
                f"Too many tries for this account; try again in {seconds} s, or from where you logged in before.",
                retry_after_seconds=seconds,
            )
    count_in(runtime(), lambda storage: storage.acquire_entry(history, REMEMBERED, HOUR))


def _was_here(email: str) -> bool:
    """Whether somebody logged in to the account from this network lately."""
    here = client_network()
    with runtime().database.read() as session:
        return any(network_of(address) == here for address in _places(session, email))


def _places(session: Session, email: str) -> list[str]:
    query = (
        sa.select(AuditEntry.address)
        .where(AuditEntry.at > clock.now() - LATELY, AuditEntry.action == LOGGED_IN)
        .where(AuditEntry.actor == f"user:{email}"[:300])
    )
    return list(session.scalars(query.order_by(AuditEntry.at.desc()).limit(PLACES)))


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="quadra device")

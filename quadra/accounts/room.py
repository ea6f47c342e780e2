"""The accounts room in a web process: session cookies, limits, routes."""

from __future__ import annotations

from flask import Flask, request

from quadra.accounts import sessions
from quadra.accounts.access import counted_as, require_role
from quadra.accounts.routes import accounts
from quadra.accounts.setup import secret_key
from quadra.core.api.doors import GATE
from quadra.core.runtime import Runtime
from quadra.core.web import limits

BLUEPRINTS = (accounts,)


def set_up(app: Flask, runtime: Runtime) -> None:
    """The database has its tables by now. Requests that stay on the event loop are not counted: that may wait for Redis."""
    with runtime.database.begin() as session:
        secret = secret_key(session, runtime.settings)
    sessions.set_up(app, secret=secret)
    app.extensions[GATE] = require_role
    limits.set_up(app, runtime.settings, exempt=lambda: request.path in runtime.on_loop, who=counted_as)
    runtime.counted_in = limits.counted_in

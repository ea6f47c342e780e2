"""Put the accounts room into a web process: session cookies, limits, routes."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, request

from quadra.accounts import sessions
from quadra.accounts.access import counted_as
from quadra.accounts.routes import accounts
from quadra.accounts.setup import secret_key
from quadra.core import limits
from quadra.core.runtime import Runtime


def set_up(app: Flask, runtime: Runtime, on_loop: Callable[[str], bool] = lambda path: False) -> None:
    """Wire the room into `app`; the database has its tables by now.

    `on_loop` knows the paths that stay on the event loop: nothing is counted there, since counting may wait for Redis.
    """
    with runtime.database.begin() as session:
        secret = secret_key(session, runtime.settings)
    sessions.set_up(app, secret=secret)
    limits.set_up(app, runtime.settings, exempt=lambda: on_loop(request.path), who=counted_as)
    app.register_blueprint(accounts)

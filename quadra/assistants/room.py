"""Tools for assistants in a web process: one door."""

from __future__ import annotations

from flask import Flask

from quadra.assistants import routes
from quadra.core.runtime import Runtime

BLUEPRINTS = (routes.doors.blueprint,)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but its door."""

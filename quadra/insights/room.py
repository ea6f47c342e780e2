"""The insights room in a web process: its routes. The analysing itself is the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.core.runtime import Runtime
from quadra.insights import batch_routes, routes

BLUEPRINTS = (routes.doors.blueprint, batch_routes.doors.blueprint)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but its doors."""

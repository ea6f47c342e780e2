"""The jobs room in a web process: what waits, and what was given up. The work itself is the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.core.runtime import Runtime
from quadra.jobs import operating_routes, routes

BLUEPRINTS = (routes.doors.blueprint, operating_routes.doors.blueprint)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but its doors."""

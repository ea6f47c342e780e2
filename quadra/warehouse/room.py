"""The warehouse in a web process: its doors. The lenses ask it; compaction and all else is the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.core.runtime import Runtime
from quadra.warehouse import kept_routes, routes

BLUEPRINTS = (routes.doors.blueprint, kept_routes.doors.blueprint)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but its doors."""

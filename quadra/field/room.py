"""The field in a web process: its doors. Learning and training are the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.core.runtime import Runtime
from quadra.field import predict_routes, routes, shown_routes

BLUEPRINTS = (routes.doors.blueprint, predict_routes.blueprint, shown_routes.doors.blueprint)


def set_up(_app: Flask, _runtime: Runtime) -> None:
    """Nothing but its doors."""

"""Put the insights room into a web process: its routes. The analysing itself is the worker's."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

from quadra.insights import batch_routes, routes


def set_up(app: Flask, job_kinds: Mapping[str, int]) -> None:
    """Wire the room into `app`. A batch sealed by hand gets a job of each of `job_kinds` (kind -> priority)."""
    app.extensions[batch_routes.JOB_KINDS] = job_kinds
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(batch_routes.blueprint)

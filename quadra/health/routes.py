"""Liveness, which touches nothing, and readiness, which asks the database."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from quadra import __version__
from quadra.core.runtime import runtime

blueprint = Blueprint("health", __name__)

ON_LOOP = {"/health", "/health/ready"}
READY_SECONDS = 2.0
"""How long the database may take to answer before this process counts as not ready."""


@blueprint.get("/health")
def live() -> Response:
    """This process answers. It asks nothing else, so a database that is away does not get the process killed."""
    return jsonify(status="ok", version=__version__)


@blueprint.get("/health/ready")
def ready() -> tuple[Response, int]:
    """This process can do its main job now. Answers in time also while the database, or every other thread, hangs."""
    if runtime().draining:
        return jsonify(status="unavailable", checks={"draining": "fail"}), 503
    try:
        runtime().probes.run_within(READY_SECONDS, runtime().database.ping)
    except (SQLAlchemyError, TimeoutError):
        return jsonify(status="unavailable", checks={"database": "fail"}), 503
    return jsonify(status="ready", checks={"database": "pass"}), 200

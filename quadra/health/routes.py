"""The doors of health: liveness touches nothing; readiness and start-up ask the database; the others run every check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from quadra import __version__
from quadra.accounts.access import caller
from quadra.core.errors import QuadraError
from quadra.core.web.http import runtime
from quadra.field.standing import NO_MODEL, FieldModel, standing
from quadra.health import status
from quadra.health.checks.installation import started
from quadra.health.readiness import Readiness
from quadra.health.runner import Runner
from quadra.health.verdict import UNHEALTHY

blueprint = Blueprint("health", __name__)

ON_LOOP = {"/health", "/health/ready", "/health/startup"}
APART = {"/health/detailed", "/status"}
"""Paths with threads of their own: they must answer while every other one waits for the database."""
READY_SECONDS = 2.0
"""How long the database may take to answer before this process counts as not ready."""
STATUS_PAGE = "quadra.status_page"
"""The app's extension that shows the status to a browser: from the JSON and whether the reader may see all of it."""
Page = Callable[[dict[str, Any], bool], ResponseReturnValue]


@blueprint.get("/health")
def live() -> Response:
    """This process answers. It asks nothing else, so a database that is away does not get the process killed."""
    return jsonify(status="ok", version=__version__)


@blueprint.get("/health/ready")
def ready() -> tuple[Response, int]:
    """This process can do its main job now. Answers in time also while the database, or every other thread, hangs."""
    if runtime().draining:
        return jsonify(status="unavailable", checks={"draining": "fail"}), 503
    readiness = runtime().kept(Readiness)
    try:
        runtime().probes.run_within(READY_SECONDS, readiness.ask)
    except (SQLAlchemyError, TimeoutError) as error:
        readiness.said(error)
        return jsonify(status="unavailable", checks={"database": "fail"}), 503
    readiness.said(None)
    return jsonify(status="ready", checks={"database": "pass"}), 200


@blueprint.get("/health/startup")
def startup() -> tuple[Response, int]:
    """The first start was done and the tables are those of this version: from now on the other probes count."""
    try:
        done = runtime().probes.run_within(READY_SECONDS, started, runtime().database)
    except (SQLAlchemyError, TimeoutError):
        done = {"migrations": False, "first_start": False}
    checks = {name: "pass" if good else "fail" for name, good in done.items()}
    if all(done.values()):
        return jsonify(status="started", checks=checks), 200
    return jsonify(status="starting", checks=checks), 503


@blueprint.get("/health/detailed")
def detailed() -> tuple[Response, int]:
    """Every check. A stranger learns the verdict only."""
    found = runner()
    report = found.report()
    code = 503 if report.status == UNHEALTHY else 200
    if not sees_all():
        return jsonify(status.strip(report)), code
    told = report.as_dict()
    return jsonify(
        overall_status=told["overall_status"],
        timestamp=told["timestamp"],
        uptime_seconds=found.scene.uptime_seconds,
        checks=told["checks"],
        system=found.scene.system(),
        model=msgspec.to_builtins(_model()),
    ), code


@blueprint.get("/status")
def show_status() -> ResponseReturnValue:
    """How Quadra is; as a page where a person asked for one. 200 also when it is not well: this is news, not a probe."""
    whole = sees_all()
    told = status.body(runtime(), runner(), whole=whole)
    page: Page | None = current_app.extensions.get(STATUS_PAGE)
    if page is not None and request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
        return page(told, whole)
    return jsonify(told)


def _model() -> FieldModel:
    """None is told where the database does not say: the checks name the reason."""
    here = runtime()

    def look() -> FieldModel:
        with here.database.read() as session:
            return standing(session, here.settings)

    try:
        return here.probes.run_within(READY_SECONDS, look)
    except (QuadraError, SQLAlchemyError, TimeoutError):
        return NO_MODEL


def runner() -> Runner:
    return runtime().kept(Runner)


def sees_all() -> bool:
    """Whether the caller may see more than verdicts. Who shows a wrong key may not, nor whom the database cannot name."""
    try:
        return caller().sees_installation
    except (QuadraError, SQLAlchemyError):
        return False

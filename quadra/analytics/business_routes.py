"""The doors of businesses, each of which is a project, and of the SQL of the reports."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts.access import require_project
from quadra.accounts.project_routes import add_project
from quadra.analytics.lens_list import BY_PATH
from quadra.analytics.questions.lens import PREFIXES
from quadra.analytics.questions.question import Asks
from quadra.analytics.views.reports import ReportQueries, reports
from quadra.core.api.doors import answered
from quadra.core.api.examples import example_of
from quadra.core.api.openapi import Answer, Door, Param

blueprint = Blueprint("business", __name__)


@blueprint.post("/api/business/create")
def create() -> ResponseReturnValue:
    """A project, under the name that it has here. The write key is shown here and never again."""
    made: Any = add_project()
    body, status = made
    return {"success": True, "business_id": body["project"], **body}, status


def show_queries() -> ResponseReturnValue:
    project = require_project(request.args.get("project"), "viewer")
    return answered(reports(request.args.to_dict(flat=False), project))


for _number, _prefix in enumerate(PREFIXES, start=1):
    blueprint.add_url_rule(f"{_prefix}/queries", f"queries_{_number}", show_queries, methods=["GET"])

QUERIES = Door(
    method="GET",
    path=f"{PREFIXES[0]}/queries",
    title="The SQL of the reports",
    says="To run elsewhere: what each lens asks with these parameters, for DuckDB, over the relation that `setup` makes; and "
    "three reports over the views of the database. A funnel's statement finds each person's events; who counts is decided "
    "after it.",
    needs="viewer",
    params=(
        Param(name="lens", shape={"enum": list(BY_PATH)}, says="Only this one, with its own parameters."),
        *Asks().params(),
    ),
    answers={200: Answer(says="Statements.", shape=ReportQueries, example=example_of(ReportQueries))},
    refuses=(404, 503),
    also=tuple(f"{prefix}/queries" for prefix in PREFIXES[1:]),
)

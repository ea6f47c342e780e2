"""The doors of businesses, each of which is a project, and of the SQL of the reports."""

from __future__ import annotations

from typing import Literal

from flask import request
from flask.typing import ResponseReturnValue
from msgspec import structs

from quadra.accounts.access import require_project
from quadra.accounts.answers import MadeProject, Slug
from quadra.accounts.project_routes import NEW_PROJECT, NewProject, add_project
from quadra.analytics.lens_list import BY_PATH
from quadra.analytics.questions.lens import PREFIXES
from quadra.analytics.questions.question import Asks
from quadra.analytics.views.reports import ReportQueries, reports
from quadra.core.api.doors import Doors, answered
from quadra.core.api.examples import example_of
from quadra.core.api.openapi import Answer, Door, Param
from quadra.core.web.http import runtime

doors = Doors("business", __name__)


class MadeBusiness(MadeProject, kw_only=True):
    success: Literal[True]
    business_id: Slug


@doors(
    "POST",
    "/api/business/create",
    title="Make a business",
    says="The same as making a project, under the name that it has here.",
    needs="admin",
    asks=NEW_PROJECT,
    answers=MadeBusiness,
    answer_says="It is made. The key is shown only now.",
    status=201,
    refuses=(409,),
)
def create(asked: NewProject) -> MadeBusiness:
    made = add_project(asked)
    return MadeBusiness(**structs.asdict(made), success=True, business_id=made.slug)


def show_queries() -> ResponseReturnValue:
    project = require_project(request.args.get("project"), "viewer")
    return answered(reports(runtime(), request.args.to_dict(flat=False), project))


for _number, _prefix in enumerate(PREFIXES, start=1):
    doors.blueprint.add_url_rule(f"{_prefix}/queries", f"queries_{_number}", show_queries, methods=["GET"])

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

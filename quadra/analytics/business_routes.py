"""The doors of businesses, each of which is a project, and of the SQL of the reports."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from quadra.accounts.access import require_project
from quadra.accounts.answers import MadeProject, Slug
from quadra.accounts.project_routes import NEW_PROJECT, NewProject, add_project
from quadra.analytics.lens_list import BY_PATH
from quadra.analytics.questions.lens import PREFIXES
from quadra.analytics.questions.question import Asks
from quadra.analytics.views.reports import ReportQueries, reports
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params
from quadra.core.api.raw_params import RawParams
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


class OfReports(Struct, kw_only=True):
    values: dict[str, list[str]]

    @property
    def project(self) -> str | None:
        return self.values.get("project", [""])[-1]


class ReportParams(Params[OfReports]):
    """The common parameters, and those of the one lens that is asked about: `reports` reads them with the project."""

    def __init__(self) -> None:
        super().__init__(OfReports, without=("values",))

    def of(self, raw: RawParams) -> OfReports:
        return OfReports(values=raw.values())

    def params(self) -> tuple[Param, ...]:
        lens = Param(name="lens", shape={"enum": list(BY_PATH)}, says="Only this one, with its own parameters.")
        return (lens, *Asks().params())


@doors(
    "GET",
    *(f"{prefix}/queries" for prefix in PREFIXES),
    title="The SQL of the reports",
    says="To run elsewhere: what each lens asks with these parameters, for DuckDB, over the relation that `setup` makes; and "
    "three reports over the views of the database. A funnel's statement finds each person's events; who counts is decided "
    "after it.",
    needs="viewer",
    asks=ReportParams(),
    answers=ReportQueries,
    answer_says="Statements.",
    refuses=(404, 503),
)
def show_queries(asked: OfReports) -> ReportQueries:
    return reports(runtime(), asked.values, require_project(asked.project, "viewer"))

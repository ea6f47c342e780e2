"""The doors of businesses, each of which is a project, and of the SQL of the reports."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts.access import require_project
from quadra.accounts.project_routes import add_project
from quadra.analytics.lenses import business
from quadra.analytics.routes import PREFIXES
from quadra.analytics.views import reports
from quadra.core.given import given_of
from quadra.core.http import runtime

blueprint = Blueprint("business", __name__)


@blueprint.get("/api/business/status")
def show_status() -> ResponseReturnValue:
    slug = request.args.get("business_id") or request.args.get("project")
    project = require_project(slug, "viewer")
    return business.answer(runtime(), business.read(given_of(request.args.items(multi=True)), project))


@blueprint.post("/api/business/create")
def create() -> ResponseReturnValue:
    """A project, under the name that it has here. The write key is shown here and never again."""
    made: Any = add_project()
    body, status = made
    return {"success": True, "business_id": body["project"], **body}, status


def show_queries() -> ResponseReturnValue:
    project = require_project(request.args.get("project"), "viewer")
    params: dict[str, Any] = request.args.to_dict(flat=False)
    return reports.answer(runtime(), reports.read(params, project))


for _number, _prefix in enumerate(PREFIXES, start=1):
    blueprint.add_url_rule(f"{_prefix}/queries", f"queries_{_number}", show_queries, methods=["GET"])

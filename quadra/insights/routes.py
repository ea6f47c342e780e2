"""The HTTP doors to insights and to the state of the pipeline."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts.access import require, require_project
from quadra.core.http import runtime
from quadra.insights import breaker, questions
from quadra.insights.batch_routes import slugs_of, visible_projects
from quadra.insights.bodies import around, insight_body, one_of, paging
from quadra.jobs.questions import dead_letter_stats, job_stats

blueprint = Blueprint("insights", __name__)

ANALYSTS = ("local", "llm")
LATEST = 5
JOBS_SHOWN = ("pending", "running", "success_last_hour", "failed_last_hour", "oldest_pending_age_seconds")


@blueprint.get("/api/insights")
def show_insights() -> ResponseReturnValue:
    """`?project&batch_id&analyst&limit&cursor&page`, newest first."""
    projects = visible_projects()
    with runtime().database.read() as session:
        page = questions.list_insights(
            session,
            paging(),
            projects=projects,
            batch_id=request.args.get("batch_id") or request.args.get("batch") or None,
            analyst=one_of("analyst", ANALYSTS),
        )
        slugs = slugs_of(session)
        rows = [insight_body(insight, slugs.get(insight.project_id)) for insight in page.rows]
        return {"insights": rows, **around(page)}


@blueprint.get("/api/analytics/stats")
def show_stats() -> ResponseReturnValue:
    """A project's pipeline in one answer: events, batches, insights and the latest of them."""
    project = require_project(request.args.get("project"), "viewer")
    with runtime().database.read() as session:
        latest = questions.list_insights(
            session, questions.Paging(LATEST), projects=[project.id], batch_id=None, analyst=None
        )
        return {
            "project": project.slug,
            "events": {"total": questions.stored_events(session, project_id=project.id)},
            "batches": questions.batch_stats(session, projects=[project.id]),
            "insights": {
                **questions.insight_stats(session, project_id=project.id),
                "latest": [insight_body(insight, project.slug) for insight in latest.rows],
            },
        }


@blueprint.get("/api/admin/metrics")
def show_metrics() -> ResponseReturnValue:
    """The pipeline in numbers: of all projects, for a key of one project of that one."""
    by, here = require("viewer"), runtime()
    projects = None if by.sees_installation else by.projects
    with here.database.read() as session:
        jobs = job_stats(session, projects=projects)
        return {
            "jobs": {name: jobs[name] for name in JOBS_SHOWN},
            "batches": questions.batch_stats(session, projects=projects),
            "performance": {
                **questions.analysis_stats(session, projects=projects),
                "claim_latency_ms": jobs["claim_latency_ms"],
            },
            "circuit_breaker": {} if projects else breaker.states(session, cooldown=here.settings.breaker_cooldown),
            "dead_letter_queue": dead_letter_stats(session, projects=projects),
        }

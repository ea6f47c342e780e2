"""The HTTP doors to insights and to the state of the pipeline."""

from __future__ import annotations

from typing import Annotated

from quadra.accounts.access import require, require_project
from quadra.accounts.params import OF_PROJECT, OfProject
from quadra.core.api.doors import Doors
from quadra.core.api.params import Params, says
from quadra.core.paging import Paged
from quadra.core.web.http import runtime
from quadra.insights import answers, breaker, llm, questions
from quadra.insights.batch_routes import slugs_of, visible_projects
from quadra.jobs.questions import dead_letter_stats, job_stats

doors = Doors("insights", __name__)

LATEST = 5


class Which(Paged, kw_only=True):
    project: Annotated[str | None, says("Left out: all that you may see.")] = None
    batch_id: Annotated[str | None, says("Only of this batch.")] = None
    batch: Annotated[str | None, says("The same.")] = None
    analyst: answers.Analyst | None = None


@doors(
    "GET",
    "/api/insights",
    title="List insights",
    needs="viewer",
    asks=Params(Which),
    answers=answers.InsightPage,
    answer_says="Newest first.",
    refuses=(404,),
)
def show_insights(asked: Which) -> answers.InsightPage:
    projects = visible_projects(asked.project)
    with runtime().database.read() as session:
        page = questions.list_insights(
            session, asked, projects=projects, batch_id=asked.batch_id or asked.batch, analyst=asked.analyst
        )
        slugs = slugs_of(session)
        rows = [answers.insight_shown(row, slugs.get(row.project_id)) for row in page.rows]
        return answers.InsightPage(insights=rows, total=page.total, count=len(rows), cursor=page.cursor)


@doors(
    "GET",
    "/api/analytics/stats",
    title="A project's pipeline in one answer",
    needs="viewer",
    asks=OF_PROJECT,
    answers=answers.Stats,
    answer_says="Events, batches, insights.",
    refuses=(404,),
)
def show_stats(asked: OfProject) -> answers.Stats:
    project = require_project(asked.project, "viewer")
    with runtime().database.read() as session:
        latest = questions.list_insights(
            session, Paged(limit=LATEST), projects=[project.id], batch_id=None, analyst=None
        )
        return answers.Stats(
            project=project.slug,
            events=answers.EventNumbers(total=questions.stored_events(session, project_id=project.id)),
            batches=questions.batch_stats(session, projects=[project.id]),
            insights=questions.insight_stats(
                session,
                project_id=project.id,
                latest=[answers.insight_shown(row, project.slug) for row in latest.rows],
            ),
        )


@doors(
    "GET",
    "/api/admin/metrics",
    title="The pipeline in numbers",
    says="Of all projects together; for a key of one project, of that one.",
    needs="viewer",
    answers=answers.Metrics,
    answer_says="Jobs, batches, speed, breakers, dead letters.",
)
def show_metrics() -> answers.Metrics:
    by, here = require("viewer"), runtime()
    projects = None if by.sees_installation else by.projects
    with here.database.read() as session:
        breakers = {} if projects is not None else breaker.states(session, cooldown=here.settings.breaker_cooldown)
        if here.settings.llm_configured and projects is None:
            breakers = {llm.BREAKER: breaker.NEVER_CALLED, **breakers}
        return answers.Metrics(
            jobs=job_stats(session, projects=projects),
            batches=questions.batch_stats(session, projects=projects),
            performance=questions.performance(session, projects=projects),
            circuit_breaker=breakers,
            dead_letter_queue=answers.DeadLetters(**dead_letter_stats(session, projects=projects)),
        )

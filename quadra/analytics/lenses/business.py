"""How a business does. A business is a project; its revenue, conversion and acquisition are metrics that it reports.

A metric belongs to one of the three by its category, or by its name where it has no category.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.lenses import metrics
from quadra.analytics.lenses.metrics import LATEST, Metrics
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import counted_people
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, before, field, fitting, within
from quadra.core import clock
from quadra.core.given import Given
from quadra.core.runtime import Runtime

CATEGORIES = ("revenue", "conversion", "acquisition")
CATEGORY = f"lower(coalesce(category, {field('metric_name')}))"


@dataclass(frozen=True)
class Business:
    project: Project
    question: Question


def read(given: Given, project: Project) -> Business:
    business = Business(project, read_question(given, project))
    given.check()
    return business


def answer(runtime: Runtime, business: Business) -> dict[str, Any]:
    now, project = business.question, business.project
    with asking(runtime, now, ever=True) as ask:
        body, then = _numbers(ask, now), _numbers(ask, before(now))
        said = Metrics(now, None, (), None, metrics.LIMIT)
        return ask.told(
            business_id=project.slug,
            name=project.name,
            timezone=project.timezone,
            created_at=clock.iso(project.created_at),
            **{name: {**numbers, "previous": then[name]} for name, numbers in body.items()},
            metrics=metrics.of_metrics(ask, said),
        )


def _numbers(ask: Asking, question: Question) -> dict[str, dict[str, Any]]:
    params = Parameters()
    where = f"{within(question.start_us, question.end_us)} AND {fitting(question, params, kind='metric')}"
    found = ask.rows(
        f"""
        SELECT {CATEGORY} AS category, count(*) AS reports, fsum(value) AS total, favg(value) AS average,
            arg_max(value, {LATEST}) AS last, arg_max({field("unit")}, {LATEST}) AS unit
        FROM events WHERE {where} AND {CATEGORY} IN {CATEGORIES} GROUP BY ALL""",
        params,
    )
    nothing = {"reports": 0, "total": 0.0, "average": None, "last": None, "unit": None}
    rows = {row.pop("category"): row for row in found}
    people = counted_people(ask, question)
    return {
        "revenue": rows.get("revenue", nothing),
        "conversion": rows.get("conversion", nothing),
        "acquisition": {**rows.get("acquisition", nothing), "new_users": people["new"]},
        "users": people,
    }

"""Metrics that senders report: of a business (`business_id`) or of a system (`component`), by name, over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import INTERVALS
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, field, fitting, iso, within
from quadra.core.errors import Invalid
from quadra.core.given import Given
from quadra.core.runtime import Runtime

LIMIT, LIMIT_MOST = 100, 500
POINTS_MOST = 200_000
OF = ("business", "system")
FIELDS = {"metric_name": field("metric_name"), "component": field("component"), "business_id": field("business_id")}
WHICH = {"business": f"{FIELDS['business_id']} IS NOT NULL", "system": f"{FIELDS['business_id']} IS NULL"}
KEYS = ", ".join(f"{sql} AS {name}" for name, sql in FIELDS.items())
NUMBERS = """count(*) AS count, favg(value) AS avg, min(value) AS min, max(value) AS max, fsum(value) AS sum"""
MEASURES = ("count", "avg", "min", "max", "sum")
LATEST = "(occurred_us, event_id)"


@dataclass(frozen=True)
class Metrics:
    question: Question
    of: str | None
    equal: tuple[tuple[str, str], ...]
    category: str | None
    limit: int


def read(given: Given, project: Project) -> Metrics:
    metrics = Metrics(
        question=read_question(given, project, intervals=(*INTERVALS, "whole")),
        of=given.choice("of", OF, "") or None,
        equal=tuple((name, value) for name in FIELDS if (value := given.text(name)) is not None),
        category=given.text("category"),
        limit=given.number("limit", LIMIT, 1, LIMIT_MOST),
    )
    given.check()
    return metrics


def answer(runtime: Runtime, metrics: Metrics) -> dict[str, Any]:
    with asking(runtime, metrics.question) as ask:
        return ask.told(metrics=of_metrics(ask, metrics))


def of_metrics(ask: Asking, metrics: Metrics) -> list[dict[str, Any]]:
    """By name, each with its numbers over the whole range and the points of the periods in which it was reported."""
    periods = metrics.question.periods()
    if len(periods) * metrics.limit > POINTS_MOST:
        most = f"at most {POINTS_MOST // len(periods)} for so many periods"
        raise Invalid("The answer has too many points.", fields={"limit": most})
    params = Parameters()
    found = ask.rows(
        f"""
        SELECT {KEYS}, arg_max({field("unit")}, {LATEST}) AS unit, arg_max(category, {LATEST}) AS category, {NUMBERS},
            arg_max(value, {LATEST}) AS last, max(occurred_us) AS last_us
        FROM events WHERE {_where(metrics, params)} GROUP BY {", ".join(FIELDS)}
        ORDER BY metric_name, component NULLS FIRST, business_id NULLS FIRST LIMIT {params.add(metrics.limit)}""",
        params,
    )
    params = Parameters()
    points: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    for row in ask.rows(
        f"""
        SELECT {KEYS}, {periods.index_sql()} AS period, {NUMBERS} FROM events WHERE {_where(metrics, params)}
        GROUP BY {", ".join(FIELDS)}, period
        QUALIFY dense_rank() OVER (ORDER BY metric_name, component NULLS FIRST, business_id NULLS FIRST)
            <= {params.add(metrics.limit)}
        ORDER BY period""",
        params,
    ):
        point = {"at": periods.at(row["period"]), **{name: row[name] for name in MEASURES}}
        points.setdefault(_key(row), []).append(point)
    return [
        {
            **{name: value for name, value in row.items() if name != "last_us"},
            "last_at": iso(row["last_us"]),
            "points": points.get(_key(row), []),
        }
        for row in found
    ]


def _key(row: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(row[name] for name in FIELDS)


def _where(metrics: Metrics, params: Parameters) -> str:
    question = metrics.question
    said = [within(question.start_us, question.end_us), fitting(question, params, kind="metric")]
    if metrics.of is not None:
        said.append(WHICH[metrics.of])
    said += [f"{FIELDS[name]} = {params.add(value)}" for name, value in metrics.equal]
    if metrics.category is not None:
        said.append(f"category = {params.add(metrics.category)}")
    return " AND ".join(said)

"""The overview: the numbers that people look at first, each with the same number of the period before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.lenses import ai, errors, features, performance
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.presence import NOW, THEN, Counted, Presence, counted
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, before, filled, fitting, share, within
from quadra.analytics.resolving import Resolutions, resolutions
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.insights.bodies import insight_body
from quadra.insights.questions import Paging, list_insights

TYPES, FEATURES, INSIGHTS = 25, 10, 5
OTHER = "Other"
POINTS = ("events", "users", "errors")

REQUEST = "kind = 'request'"
AI = "kind = 'ai'"


@dataclass(frozen=True)
class Overview:
    question: Question
    project: Project


def read(given: Given, project: Project) -> Overview:
    overview = Overview(read_question(given, project), project)
    given.check()
    return overview


def answer(runtime: Runtime, overview: Overview) -> dict[str, Any]:
    now, then = overview.question, before(overview.question)
    said = resolutions(runtime, now.project_id)
    with asking(runtime, now, ever=True) as ask:
        there = _there(ask, now, then)
        body = _both(_numbers(ask, now, said, counted(there, NOW)), _numbers(ask, then, said, counted(there, THEN)))
        body["top_features"] = _features(ask, now, then)
        body["series"] = _series(_points(ask, now, there, "now"), _points(ask, then, there, "then"))
        told = ask.told(**body)
    with runtime.database.read() as session:
        paging = Paging(INSIGHTS)
        page = list_insights(session, paging, projects=[overview.project.id], batch_id=None, analyst=None)
        told["insights"] = [insight_body(insight, overview.project.slug) for insight in page.rows]
    return told


def _both(now: dict[str, dict[str, Any]], then: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: {**numbers, "previous": then[name]} for name, numbers in now.items()}


def _there(ask: Asking, now: Question, then: Question) -> list[dict[str, Any]]:
    """Rows (part, place, a, b, c): as `presence` counts them, and the people of each period of both ranges."""
    params = Parameters()
    presence = Presence(now, then, now.periods(), then.periods())
    return ask.rows(
        f"""
        WITH {presence.sql(params)}, days AS (
            SELECT DISTINCT person, span, period FROM presence WHERE period >= 0
        )
        {presence.counted_sql()}
        UNION ALL SELECT CASE WHEN span = {NOW} THEN 'now' ELSE 'then' END AS part, period, count(*), 0, 0
            FROM days GROUP BY span, period""",
        params,
    )


def _numbers(ask: Asking, question: Question, said: Resolutions, there: Counted) -> dict[str, dict[str, Any]]:
    params = Parameters()
    inside = within(question.start_us, question.end_us)
    (row,) = ask.rows(
        f"""
        SELECT count(*) AS events, count(*) FILTER ({REQUEST}) AS requests,
            count(*) FILTER ({REQUEST} AND {performance.FAILED}) AS failed,
            favg(duration_ms) FILTER ({REQUEST}) AS avg_ms,
            quantile_cont(duration_ms, 0.95) FILTER ({REQUEST}) AS p95_ms,
            count(*) FILTER ({AI}) AS queries, CAST(coalesce(fsum({ai.TOKENS}) FILTER ({AI}), 0) AS BIGINT) AS tokens,
            coalesce(fsum(value) FILTER ({AI}), 0) AS cost_usd
        FROM events WHERE {inside} AND {fitting(question, params)}""",
        params,
    )
    return {
        "users": there.people,
        "sessions": {"count": there.visits, "avg_duration_seconds": there.average_seconds},
        "events": {"total": row["events"], "by_type": _by_type(ask, question, row["events"])},
        "api": {
            "requests": row["requests"],
            "error_rate": share(row["failed"], row["requests"]),
            "avg_ms": row["avg_ms"],
            "p95_ms": row["p95_ms"],
        },
        "ai": {name: row[name] for name in ("queries", "tokens", "cost_usd")},
        "errors": errors.totals(ask, question, said),
    }


def _by_type(ask: Asking, question: Question, total: int) -> dict[str, int]:
    """The most frequent types; the others together."""
    params = Parameters()
    found = ask.rows(
        f"""
        SELECT event_type, count(*) AS count FROM events
        WHERE {within(question.start_us, question.end_us)} AND {fitting(question, params)}
        GROUP BY ALL ORDER BY count DESC, event_type LIMIT {TYPES}""",
        params,
    )
    by_type = {row["event_type"]: row["count"] for row in found}
    rest = total - sum(by_type.values())
    return {**by_type, OTHER: by_type.get(OTHER, 0) + rest} if rest else by_type


def _features(ask: Asking, now: Question, then: Question) -> list[dict[str, Any]]:
    params = Parameters()
    which = f"occurred_us >= {now.start_us}"
    found = ask.rows(
        f"""
        SELECT {features.FEATURE} AS feature_name,
            count(*) FILTER ({which}) AS total_uses, count(DISTINCT person) FILTER ({which}) AS unique_users,
            count(*) FILTER (NOT {which}) AS uses_before, count(DISTINCT person) FILTER (NOT {which}) AS users_before
        FROM events WHERE {within(then.start_us, now.end_us)} AND {fitting(now, params, kind="feature", people=True)}
        GROUP BY ALL HAVING total_uses > 0 ORDER BY total_uses DESC, feature_name LIMIT {FEATURES}""",
        params,
    )
    return [
        {
            "feature_name": row["feature_name"],
            "total_uses": row["total_uses"],
            "unique_users": row["unique_users"],
            "previous": {"total_uses": row["uses_before"], "unique_users": row["users_before"]},
        }
        for row in found
    ]


def _series(points: list[dict[str, Any]], earlier: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Period by period, beside the period that stands at the same place in the range before."""
    nothing = dict.fromkeys(POINTS, 0)
    return [
        {**point, "previous": {"at": None, **nothing} if place >= len(earlier) else earlier[place]}
        for place, point in enumerate(points)
    ]


def _points(ask: Asking, question: Question, there: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    periods, params = question.periods(), Parameters()
    people = {row["place"]: row["a"] for row in there if row["part"] == part}
    found = ask.rows(
        f"""
        SELECT {periods.index_sql()} AS period, count(*) AS events, count(*) FILTER (kind = 'error') AS errors
        FROM events WHERE {within(question.start_us, question.end_us)} AND {fitting(question, params)} GROUP BY ALL""",
        params,
    )
    return filled(periods, ({**row, "users": people.get(row["period"], 0)} for row in found), POINTS)

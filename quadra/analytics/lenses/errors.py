"""Errors: what went wrong, how often, for how many people, since when, and whether somebody called it resolved.

A group is the errors of one type with one message. It is resolved as long as nothing of it arrived after somebody said so
(`resolving`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, field, filled, fitting, iso, within
from quadra.analytics.resolving import Resolutions, resolutions
from quadra.core.given import Given
from quadra.core.runtime import Runtime

DAYS = 7
LIMIT, LIMIT_MOST = 100, 1_000

GROUP_ID = f"left(sha256(sha256({field('error_type')}) || {field('message')}), 32)"
LATEST = "(occurred_us, event_id)"
RANKED = """count(*) FILTER (now) AS count, count(DISTINCT person) FILTER (now) AS users,
            min(occurred_us) AS first_us, max(occurred_us) AS last_us"""


@dataclass(frozen=True)
class Errors:
    question: Question
    limit: int
    resolved: bool | None
    """Only groups that are, or are not; None is all."""


def read(given: Given, project: Project) -> Errors:
    errors = Errors(
        question=read_question(given, project, days=DAYS),
        limit=given.number("limit", LIMIT, 1, LIMIT_MOST),
        resolved=given.flag("resolved"),
    )
    given.check()
    return errors


def answer(runtime: Runtime, errors: Errors) -> dict[str, Any]:
    question = errors.question
    periods = question.periods()
    said = resolutions(runtime, question.project_id)
    with asking(runtime, question, ever=True) as ask:
        return ask.told(
            totals=totals(ask, question, said),
            groups=_groups(ask, errors, said),
            by_day=_by_period(ask, question, periods),
        )


def _groups(ask: Asking, errors: Errors, said: Resolutions) -> list[dict[str, Any]]:
    """With errors in the range, the most frequent first; when they were first seen all of history says."""
    question, params = errors.question, Parameters()
    only = "" if errors.resolved is None else f"AND resolved = {params.add(errors.resolved)}"
    found = ask.rows(
        f"""
        WITH {grouped(question, params, said)}
        SELECT id AS group_id, error_type, message, count, users, first_us, last_us, severity, endpoint, stack_trace,
            resolved, CASE WHEN resolved THEN resolved_us END AS resolved_us
        FROM groups WHERE count > 0 {only}
        ORDER BY count DESC, last_us DESC, error_type, message LIMIT {params.add(errors.limit)}""",
        params,
    )
    return [
        {
            **{name: value for name, value in row.items() if name not in ("first_us", "last_us", "resolved_us")},
            "first_seen": iso(row["first_us"]),
            "last_seen": iso(row["last_us"]),
            "resolved_at": iso(row["resolved_us"]),
        }
        for row in found
    ]


def grouped(question: Question, params: Parameters, said: Resolutions) -> str:
    """The relation `groups`, for a look at all that is before the end of the range. What is said of a group is its latest."""
    ids, times = params.add(list(said)), params.add(list(said.values()))
    return f"""
        seen AS (
            SELECT {GROUP_ID} AS id, {field("error_type")} AS error_type, {field("message")} AS message, person,
                occurred_us, received_us, event_id, {within(question.start_us, question.end_us)} AS now,
                {field("severity")} AS severity, {field("endpoint")} AS endpoint, {field("stack_trace")} AS stack_trace
            FROM events WHERE {fitting(question, params, kind="error")}
        ), resolutions AS (
            SELECT unnest({ids}::VARCHAR[]) AS id, unnest({times}::BIGINT[]) AS resolved_us
        ), groups AS (
            SELECT id, any_value(error_type) AS error_type, any_value(message) AS message, {RANKED},
                arg_max(severity, {LATEST}) FILTER (severity IS NOT NULL) AS severity,
                arg_max(endpoint, {LATEST}) FILTER (endpoint IS NOT NULL) AS endpoint,
                arg_max(stack_trace, {LATEST}) FILTER (stack_trace IS NOT NULL) AS stack_trace,
                any_value(resolved_us) AS resolved_us, coalesce(max(received_us) <= any_value(resolved_us), false) AS resolved
            FROM seen LEFT JOIN resolutions USING (id) GROUP BY id
        )"""


def totals(ask: Asking, question: Question, said: Resolutions) -> dict[str, Any]:
    params = Parameters()
    (found,) = ask.rows(
        f"""
        WITH {grouped(question, params, said)}
        SELECT CAST(coalesce(sum(count), 0) AS BIGINT) AS total, count(*) FILTER (count > 0) AS groups,
            count(*) FILTER (count > 0 AND NOT resolved) AS unresolved
        FROM groups""",
        params,
    )
    return found


def _by_period(ask: Asking, question: Question, periods: Periods) -> list[dict[str, Any]]:
    params = Parameters()
    where = f"{within(question.start_us, question.end_us)} AND {fitting(question, params, kind='error')}"
    found = ask.rows(
        f"""
        SELECT {periods.index_sql()} AS period, count(*) AS count, count(DISTINCT person) AS users
        FROM events WHERE {where} GROUP BY ALL""",
        params,
    )
    return filled(periods, found, ("count", "users"))

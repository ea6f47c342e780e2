"""Errors: what went wrong, how often, for how many people, since when, and whether somebody called it resolved.

A group is the errors of one type with one message. It is resolved as long as nothing of it arrived after somebody said so
(`resolving`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import (
    Measured,
    Snapshot,
    Statement,
    field,
    filled,
    iso,
    snapshot,
    where_clause,
)
from quadra.analytics.resolving import Resolutions, resolutions
from quadra.core.api.openapi import Time
from quadra.core.api.params import says, within
from quadra.core.runtime import Runtime
from quadra.core.typed import Typed
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.query.span import Range

GROUP_ID = f"left(sha256(sha256({field('error_type')}) || {field('message')}), 32)"
LATEST = "(occurred_us, event_id)"
RANKED = """count(*) FILTER (now) AS count, count(DISTINCT person) FILTER (now) AS users,
            min(occurred_us) AS first_us, max(occurred_us) AS last_us"""


class Params(Asked, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many groups to name.")] = 100
    resolved: Annotated[bool | None, says("Only groups that are, or are not.")] = None


class ErrorNumbers(Struct, kw_only=True):
    total: int
    groups: int
    unresolved: int


class ErrorGroup(Struct, kw_only=True):
    group_id: str
    error_type: str
    message: str
    count: int
    users: int
    first_seen: Time
    last_seen: Time
    severity: str | None
    endpoint: str | None
    stack_trace: str | None
    resolved: bool
    resolved_at: Time | None


class ErrorPeriod(Struct, kw_only=True):
    at: Time
    count: int
    users: int


class ErrorsAnswer(Measured, kw_only=True):
    totals: ErrorNumbers
    groups: list[ErrorGroup]
    by_day: list[ErrorPeriod]


NUMBERS, GROUPS, PERIODS = Typed(list[ErrorNumbers]), Typed(list[ErrorGroup]), Typed(list[ErrorPeriod])


def answer(events: Snapshot, asked: Params) -> ErrorsAnswer:
    periods = asked.question.periods()
    said = resolutions(events.runtime, asked.question.project_id)
    rows = events.rows(groups(asked, said))
    (numbers,) = events.structs(NUMBERS, totals(asked.question, said))
    by_day = filled(PERIODS, periods, events.rows(of_periods(asked)), ("count", "users"))
    return ErrorsAnswer(
        **events.measures(), totals=numbers, groups=GROUPS.convert([_shown(row) for row in rows]), by_day=by_day
    )


def groups(asked: Params, resolved: Resolutions) -> Statement:
    """With errors in the range, the most frequent first; when they were first seen all of history says."""
    params = Parameters()
    only = "" if asked.resolved is None else f"AND resolved = {params.add(asked.resolved)}"
    sql = f"""
        WITH {grouped(asked.question, params, resolved)}
        SELECT id AS group_id, error_type, message, count, users, first_us, last_us, severity, endpoint, stack_trace,
            resolved, CASE WHEN resolved THEN resolved_us END AS resolved_us
        FROM groups WHERE count > 0 {only}
        ORDER BY count DESC, last_us DESC, error_type, message LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    seen = {"first_seen": iso(row["first_us"]), "last_seen": iso(row["last_us"])}
    return {**row, **seen, "resolved_at": iso(row["resolved_us"])}


def grouped(question: Question, params: Parameters, said: Resolutions) -> str:
    """The relation `groups`, for a look at all that is before the end of the range. What is said of a group is its latest."""
    ids, times = params.add(list(said)), params.add(list(said.values()))
    return f"""
        seen AS (
            SELECT {GROUP_ID} AS id, {field("error_type")} AS error_type, {field("message")} AS message, person,
                occurred_us, received_us, event_id, {question.range.sql} AS now,
                {field("severity")} AS severity, {field("endpoint")} AS endpoint, {field("stack_trace")} AS stack_trace
            FROM events WHERE {where_clause(question, params, kind="error")}
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


def ids_in_range(runtime: Runtime, asked: Params, moment: Look) -> set[str]:
    """The groups with errors in the range. Reads nothing that is before it: for whoever asks again and again."""
    params = Parameters()
    where = where_clause(asked.question, params, kind="error")
    sql = f"SELECT DISTINCT {GROUP_ID} AS id FROM events WHERE {asked.question.range.sql} AND {where}"
    with snapshot(runtime, asked.question, asked.question.range, moment=moment) as events:
        return {row["id"] for row in events.rows(Statement(sql, params))}


def totals(question: Question, said: Resolutions) -> Statement:
    params = Parameters()
    sql = f"""
        WITH {grouped(question, params, said)}
        SELECT CAST(coalesce(sum(count), 0) AS BIGINT) AS total, count(*) FILTER (count > 0) AS groups,
            count(*) FILTER (count > 0 AND NOT resolved) AS unresolved
        FROM groups"""
    return Statement(sql, params)


def of_periods(asked: Params) -> Statement:
    question, params = asked.question, Parameters()
    sql = f"""
        SELECT {question.periods().index_sql()} AS period, count(*) AS count, count(DISTINCT person) AS users
        FROM events WHERE {question.range.sql} AND {where_clause(question, params, kind="error")} GROUP BY ALL"""
    return Statement(sql, params)


LENS = Lens(
    path="errors",
    title="Errors",
    says="Errors by type and message. `first_seen` looks at all of history. A group is resolved from when somebody said so until "
    "another error of it arrives.",
    group=OVERVIEW,
    asks=Asks(days=7),
    Params=Params,
    Answer=ErrorsAnswer,
    range=lambda asked: Range(None, asked.question.end_us),
    statements=lambda asked: [totals(asked.question, {}), groups(asked, {}), of_periods(asked)],
    answer=answer,
)

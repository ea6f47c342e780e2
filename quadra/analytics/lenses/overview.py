"""The overview: the numbers that people look at first, each with the same number of another period."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, structs

from quadra.analytics.lenses import ai, errors, features, performance
from quadra.analytics.lenses.errors import ErrorNumbers
from quadra.analytics.lenses.overview_answer import (
    AiNumbers,
    ApiNumbers,
    CountedEvents,
    OverviewAi,
    OverviewAnswer,
    OverviewApi,
    OverviewErrors,
    OverviewEvents,
    OverviewPoint,
    OverviewSessions,
    OverviewUsers,
    PreviousPoint,
    SessionNumbers,
    TopFeature,
)
from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import UserNumbers
from quadra.analytics.questions.presence import Counted, Days, Presence, blocks, statements
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import (
    Snapshot,
    Statement,
    before,
    compared,
    filled,
    share,
    where_clause,
)
from quadra.analytics.resolving import Resolutions, resolutions
from quadra.core.paging import Paged
from quadra.core.typed import Typed
from quadra.insights.answers import Insight, insight_shown
from quadra.insights.questions import list_insights
from quadra.warehouse.query.span import Range

TYPES, FEATURES, INSIGHTS = 25, 10, 5
OTHER = "Other"

REQUEST = "kind = 'request'"
AI = "kind = 'ai'"


class Params(Asked, kw_only=True, frozen=True):
    """Nothing beside what every question takes."""


NOTHING = PreviousPoint(at=None, events=0, users=0, errors=0)
POINTS, TOP_FEATURES = Typed(list[PreviousPoint]), Typed(list[TopFeature])


class _Numbers(Struct):
    users: UserNumbers
    sessions: SessionNumbers
    events: CountedEvents
    api: ApiNumbers
    ai: AiNumbers
    errors: ErrorNumbers
    points: list[PreviousPoint]


def answer(events: Snapshot, asked: Params) -> OverviewAnswer:
    now, then = asked.question, _then(asked.question)
    said = resolutions(events.runtime, now.project_id)
    there = events.kept(
        THERE, ("overview", where_clause(now, Parameters(), people=True), now), lambda: _there(events, now, then or now)
    )
    one = _numbers(events, now, said, there.now, there.people)
    other = None if then is None else _numbers(events, then, said, there.then, there.people_then)
    return OverviewAnswer(
        users=OverviewUsers(**structs.asdict(one.users), previous=None if other is None else other.users),
        sessions=OverviewSessions(**structs.asdict(one.sessions), previous=None if other is None else other.sessions),
        events=OverviewEvents(**structs.asdict(one.events), previous=None if other is None else other.events),
        api=OverviewApi(**structs.asdict(one.api), previous=None if other is None else other.api),
        ai=OverviewAi(**structs.asdict(one.ai), previous=None if other is None else other.ai),
        errors=OverviewErrors(**structs.asdict(one.errors), previous=None if other is None else other.errors),
        top_features=TOP_FEATURES.convert([_top(row, then) for row in events.rows(top_features(now, then))]),
        series=_series(one.points, None if other is None else other.points),
        insights=_insights(events, asked),
        **events.measures(),
    )


def _then(now: Question) -> Question | None:
    """What it is compared with."""
    return None if now.alone else before(now)


class _There(Struct):
    then: Counted
    now: Counted
    people_then: list[int]
    """Of each period."""
    people: list[int]


THERE = Typed(_There)


def _there(events: Snapshot, now: Question, then: Question) -> _There:
    of_then, of_now = then.periods(), now.periods()
    presence, earlier, later = Presence(then, now), Days(then, of_then), Days(now, of_now)
    for block in blocks(events, now, then, (of_then, of_now)):
        presence.add(block)
        earlier.add(block)
        later.add(block)
    return _There(*presence.counted(), earlier.people.tolist(), later.people.tolist())


def numbers(question: Question) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT count(*) FILTER ({REQUEST}) AS requests,
            count(*) FILTER ({REQUEST} AND {performance.FAILED}) AS failed,
            favg(duration_ms) FILTER ({REQUEST}) AS avg_ms,
            quantile_cont(duration_ms, 0.95) FILTER ({REQUEST}) AS p95_ms,
            count(*) FILTER ({AI}) AS queries, CAST(coalesce(fsum({ai.TOKENS}) FILTER ({AI}), 0) AS BIGINT) AS tokens,
            coalesce(fsum(value) FILTER ({AI}), 0) AS cost_usd
        FROM events WHERE ({REQUEST} OR {AI}) AND {question.range.sql} AND {where_clause(question, params)}"""
    return Statement(sql, params)


def counts(question: Question) -> Statement:
    """Rows (part, period, event_type, events, errors): one for each period, and the most frequent types. Read once for both."""
    periods, params = question.periods(), Parameters()
    sql = f"""
        WITH counted AS MATERIALIZED (
            SELECT {periods.index_sql()} AS period, event_type, count(*) AS events,
                count(*) FILTER (kind = 'error') AS errors
            FROM events WHERE {question.range.sql} AND {where_clause(question, params)} GROUP BY ALL
        )
        SELECT 'period' AS part, period, '' AS event_type, CAST(sum(events) AS BIGINT) AS events,
            CAST(sum(errors) AS BIGINT) AS errors
        FROM counted GROUP BY period
        UNION ALL (
            SELECT 'type' AS part, 0 AS period, event_type, CAST(sum(events) AS BIGINT) AS events, 0 AS errors
            FROM counted GROUP BY event_type ORDER BY events DESC, event_type LIMIT {TYPES}
        )"""
    return Statement(sql, params)


def top_features(now: Question, then: Question | None) -> Statement:
    params = Parameters()
    which, earlier = now.range.sql, "false" if then is None else then.range.sql
    sql = f"""
        SELECT {features.FEATURE} AS feature_name,
            count(*) FILTER ({which}) AS total_uses, count(DISTINCT person) FILTER ({which}) AS unique_users,
            count(*) FILTER ({earlier}) AS uses_before, count(DISTINCT person) FILTER ({earlier}) AS users_before
        FROM events WHERE {compared(now).sql} AND {where_clause(now, params, kind="feature", bots=False)}
        GROUP BY ALL HAVING total_uses > 0 ORDER BY total_uses DESC, feature_name LIMIT {FEATURES}"""
    return Statement(sql, params)


def _numbers(events: Snapshot, question: Question, said: Resolutions, there: Counted, people: list[int]) -> _Numbers:
    inside = events.within(question.range)  # then it is found again by an overview of the time before
    (row,) = inside.rows(numbers(question))
    (of_errors,) = events.structs(errors.NUMBERS, errors.totals(question, said))
    counted = inside.rows(counts(question))
    of_periods, of_types = ([each for each in counted if each["part"] == part] for part in ("period", "type"))
    total = sum(each["events"] for each in of_periods)
    ordered = sorted((-each["events"], each["event_type"]) for each in of_types)
    types = {event_type: -count for count, event_type in ordered}
    rest = total - sum(types.values())
    if rest:
        types[OTHER] = types.get(OTHER, 0) + rest
    failed = share(row["failed"], row["requests"])
    return _Numbers(
        there.people,
        SessionNumbers(count=there.visits, avg_duration_seconds=there.average_seconds),
        CountedEvents(total=total, by_type=types),
        ApiNumbers(requests=row["requests"], error_rate=failed, avg_ms=row["avg_ms"], p95_ms=row["p95_ms"]),
        AiNumbers(queries=row["queries"], tokens=row["tokens"], cost_usd=row["cost_usd"]),
        of_errors,
        _points(question, of_periods, people),
    )


def _top(row: dict[str, Any], then: Question | None) -> dict[str, Any]:
    return {**row, "previous": then and {"total_uses": row["uses_before"], "unique_users": row["users_before"]}}


def _series(points: list[PreviousPoint], earlier: list[PreviousPoint] | None) -> list[OverviewPoint]:
    """Period by period, beside the period that stands at the same place in the other range."""
    return [
        OverviewPoint(
            at=point.at or "",
            events=point.events,
            users=point.users,
            errors=point.errors,
            previous=None if earlier is None else earlier[place] if place < len(earlier) else NOTHING,
        )
        for place, point in enumerate(points)
    ]


def _points(question: Question, rows: Iterable[dict[str, Any]], people: list[int]) -> list[PreviousPoint]:
    by_period = dict(enumerate(people))  # a range of no time has no period, and a row that counts nothing
    beside = ({**row, "users": by_period.get(row["period"], 0)} for row in rows)
    return filled(POINTS, question.periods(), beside, ("events", "users", "errors"))


def _insights(events: Snapshot, asked: Params) -> list[Insight]:
    with events.runtime.database.read() as session:
        page = list_insights(session, Paged(limit=INSIGHTS), projects=[asked.project.id], batch_id=None, analyst=None)
        return [insight_shown(insight, asked.project.slug) for insight in page.rows]


def _statements(asked: Params) -> list[Statement]:
    now, then = asked.question, _then(asked.question)
    each = [
        make(question)
        for question in (now, then)
        if question is not None
        for make in (numbers, counts, lambda each: errors.totals(each, {}))
    ]
    return [*statements(now, compared(now).start_us or 0), top_features(now, then), *each]


LENS = Lens(
    path="dashboard",
    title="Overview",
    says="The numbers that people look at first, each with the same of another time (`previous`): the one just "
    "before, as long, unless the question says otherwise. Rates are in per cent.",
    group=OVERVIEW,
    asks=Asks(compares=True),
    Params=Params,
    Answer=OverviewAnswer,
    range=lambda asked: Range(None, compared(asked.question).end_us),
    statements=_statements,
    answer=answer,
)

"""What is counted of visits, and the statement that counts it. `counting` finds the same in columns."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Snapshot, Statement
from quadra.analytics.visits import dimensions
from quadra.analytics.visits.relation import Visits
from quadra.core.typed import Typed

NUMBER = {
    "bounce_rate": "bounces * 100 / visits",
    "avg_duration_seconds": "us / visits / 1e6",
    "conversion_rate": "converted * 100 / visitors",
    "revenue": "coalesce(revenue, 0)",
}
"""Of a row, where it is no column."""


class Counts(Struct, kw_only=True):
    visitors: int = 0
    visits: int = 0
    page_views: int = 0
    bounces: int = 0
    us: int = 0
    conversions: int | None = 0
    converted: int = 0
    revenue: float | None = None


class Row(Counts, kw_only=True):
    value: str
    number: float
    """By which it is sorted."""


class OfPeriod(Struct):
    place: int
    visitors: int
    visits: int
    page_views: int


class Counted(Struct, kw_only=True):
    whole: Counts
    periods: list[OfPeriod]
    """Those in which there was something."""
    rows: list[Row] = []
    total: int = 0
    """Of rows, on all pages."""


COUNTED = Typed(Counted)


@dataclass(frozen=True)
class Rows:
    """Which rows: the page behind `after`, the number and the value of the last row of the one before."""

    sort: str
    limit: int
    after: tuple[float, str] | None = None


def statement(visits: Visits, rows: Rows) -> Statement:
    """Rows (part, place, value, the measures): `whole`, one for each `period`, and those of a page of rows."""
    params, by = Parameters(), visits.by
    reached = "sum(c0)::BIGINT AS conversions, count(DISTINCT person) FILTER (c0 > 0) AS converted, fsum(r0) AS revenue"
    none = "0::BIGINT AS conversions, 0::BIGINT AS converted, NULL::DOUBLE AS revenue"
    goal = reached if visits.goals else none
    people = "count(*) FILTER (session = 1)" if visits.is_whole else "count(DISTINCT person)"
    arrived = "count(*) FILTER (arrives)" if visits.is_whole else "count(DISTINCT person)"
    measures = f"""count(*) AS visits, coalesce(sum(views), 0)::BIGINT AS page_views,
        count(*) FILTER (bounced) AS bounces, coalesce(sum(us), 0)::BIGINT AS us, {goal}"""
    begun = visits.periods.index_sql("first_us")
    sql = f"""
        WITH {visits.sql(params)}
        SELECT 'whole' AS part, 0 AS place, '' AS value, {people} AS visitors, {measures}, 0.0 AS number, 1 AS total FROM visits
        UNION ALL BY NAME
        SELECT 'period' AS part, * FROM (
            SELECT period AS place, {arrived} AS visitors, coalesce(sum(views), 0)::BIGINT AS page_views
            FROM parts GROUP BY period
        ) LEFT JOIN (SELECT {begun} AS place, count(*) AS visits FROM visits GROUP BY ALL) USING (place)"""
    if by is not None:
        source, some = "visits", "WHERE pages > 0" if by in dimensions.ENDS else ""
        if by in dimensions.OF_VIEWS:
            source = "seen JOIN (SELECT * EXCLUDE (views) FROM visits) AS visits USING (person, session)"
        after = ""
        if rows.after is not None:
            least, value = params.add(float(rows.after[0])), params.add(rows.after[1])
            after = f"WHERE number < {least} OR (number = {least} AND value > {value})"
        sql += f"""
        UNION ALL BY NAME (
            SELECT * FROM (
                SELECT 'row' AS part, 0 AS place, *, ({NUMBER.get(rows.sort, rows.sort)})::DOUBLE AS number,
                    count(*) OVER () AS total
                FROM (SELECT value, count(DISTINCT person) AS visitors, {measures} FROM {source} {some} GROUP BY value)
            ) {after} ORDER BY number DESC, value LIMIT {rows.limit + 1}
        )"""
    return Statement(sql, params)


WHOLE, PERIODS, ROWS = Typed(Counts), Typed(list[OfPeriod]), Typed(list[Row])


def by_statement(events: Snapshot, visits: Visits, rows: Rows) -> Counted:
    found: dict[str, list[dict[str, object]]] = {"whole": [], "period": [], "row": []}
    for row in events.rows(statement(visits, rows)):
        found[str(row["part"])].append(
            {name: 0 if value is None and name == "visits" else value for name, value in row.items()}
        )
    page = ROWS.convert(sorted(found["row"], key=lambda row: (-float(str(row["number"])), str(row["value"]))))
    total = found["row"][0]["total"] if found["row"] else 0
    return Counted(
        whole=WHOLE.convert(found["whole"][0]),
        periods=sorted(PERIODS.convert(found["period"]), key=lambda period: period.place),
        rows=page,
        total=int(str(total)),
    )

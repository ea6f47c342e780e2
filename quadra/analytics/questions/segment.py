"""People by what they are and did, as SQL: a question that names a segment counts only their events."""

from __future__ import annotations

from dataclasses import dataclass

from quadra.analytics.questions.matching import Match, Parameters, people_only
from quadra.warehouse.query.span import Range

DAY_US = 24 * 3_600_000_000


@dataclass(frozen=True)
class Did:
    """Something done, or not done, in all of history, or within so many days before the end of the range."""

    match: Match
    at_least: int = 1
    within_days: int | None = None

    def begins_us(self, end_us: int) -> int | None:
        return None if self.within_days is None else max(end_us - self.within_days * DAY_US, 0)

    def sql(self, params: Parameters, end_us: int) -> str:
        """The condition of a person's events taken together."""
        begins = self.begins_us(end_us)
        said = [self.match.sql(params), *([] if begins is None else [f"occurred_us >= {begins}"])]
        return f"count(*) FILTER ({' AND '.join(said)}) >= {params.add(self.at_least)}"


@dataclass(frozen=True)
class Segment:
    """People who fit all of it."""

    where: Match | None = None
    """Any of the person's events in the range fits."""
    did: tuple[Did, ...] = ()
    did_not: tuple[Did, ...] = ()

    def reach(self, span: Range) -> Range:
        """What must be looked at to tell who they are."""
        end_us = span.end_us or 0
        begins = [each.begins_us(end_us) for each in (*self.did, *self.did_not)]
        if None in begins:
            return Range(None, span.end_us)
        starts = [begin for begin in begins if begin is not None] + (
            [span.start_us or 0] if self.where or not begins else []
        )
        return Range(min(starts), span.end_us)

    def sql(self, span: Range, params: Parameters, include_bots: bool | None, source: str = "events") -> str:
        """Rows (person). `span` is the range of the question, `source` the events of `reach`."""
        end_us = span.end_us or 0
        conditions = []
        if self.where is not None:
            begins = f"occurred_us >= {span.start_us or 0}"
            conditions.append(f"bool_or({begins} AND {self.where.sql(params)})")
        conditions += [each.sql(params, end_us) for each in self.did]
        conditions += [f"NOT {each.sql(params, end_us)}" for each in self.did_not]
        having = " AND ".join(conditions) or "true"
        where = f"occurred_us < {end_us} AND {people_only(include_bots)}"
        return f"SELECT person FROM {source} WHERE {where} GROUP BY person HAVING {having}"

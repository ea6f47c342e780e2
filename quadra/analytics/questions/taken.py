"""What many questions look at in an event, as columns: found once, however many questions compare it. Taking a property out of
JSON takes the longest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

from quadra.analytics.questions.matching import Match, Parameters, fits, is_beyond, number_sql, value_sql
from quadra.core.api.raw_params import OF_NUMBERS


class Taken:
    """Build a relation of columns that conditions and aggregates name."""

    def __init__(self) -> None:
        self.params = Parameters()
        self._names: dict[Hashable, str] = {}
        self._columns = ["name"]

    def of(self, key: Hashable, sql: Callable[[Parameters], str]) -> str:
        """The column of this expression; what has the same key is the same expression."""
        if key not in self._names:
            self._names[key] = f"taken_{len(self._names)}"
            self._columns.append(f"{sql(self.params)} AS {self._names[key]}")
        return self._names[key]

    def number(self, prop: str) -> str:
        return self.of((prop, "number"), partial(number_sql, prop))

    def condition(self, match: Match) -> str:
        """As `Match.sql`."""
        conditions = [Match(match.event).sql(self.params)]
        for one in match.where:
            if one.op in OF_NUMBERS:
                conditions.append(is_beyond(self.number(one.prop), one, self.params))
            else:
                conditions.append(fits(one, self.params, self.of((one.prop, "text"), partial(value_sql, one.prop))))
        return " AND ".join(conditions)

    def relation(self, events: set[str | None]) -> str:
        """Of events of these names; None is any."""
        names = [event for event in events if event is not None]
        only = "true" if None in events else f"list_contains({self.params.add(names)}, name)"
        return f"(SELECT {', '.join(self._columns)} FROM events WHERE {only})"

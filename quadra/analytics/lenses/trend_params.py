"""What trends are asked: parameters, and how far before the range they look."""

from __future__ import annotations

from typing import Annotated

from quadra.analytics.questions.lens import Asked
from quadra.analytics.questions.matching import Match
from quadra.analytics.questions.periods import Periods
from quadra.core.api.params import choice, says, within
from quadra.core.api.raw_params import RawParams

AGGREGATES = {
    "total": "count(*){only}",
    "unique": "count(DISTINCT {person}){only}",
    "weekly_active": "count(DISTINCT {person}){only}",
    "monthly_active": "count(DISTINCT {person}){only}",
    "sum": "coalesce(fsum({number}){only}, 0)",
    "avg": "coalesce(favg({number}){only}, 0)",
    "max_per_user": "max({number}){only}",
}
COUNT_PEOPLE = ("unique", "weekly_active", "monthly_active")
OF_PEOPLE = (*COUNT_PEOPLE, "max_per_user")
OF_SUMS = ("sum", "avg")
WINDOWS = {
    ("weekly_active", "day"): 7,
    ("monthly_active", "day"): 30,
    ("weekly_active", "hour"): 7 * 24,
    ("monthly_active", "hour"): 30 * 24,
}
"""Periods of which somebody counts as active at the end of the last; on other axes it is the period itself."""

OTHER = "Other"
"""The label of what a limit put together."""
BAND_PERIODS = {"hour": 28 * 24, "day": 63, "week": 52, "month": 36}
"""Periods before the range that a band is learned from."""


class Params(Asked, kw_only=True, frozen=True, rename={"number": "property"}):
    event: Annotated[str | None, says("Its name. Left out: any event.", "page_view")] = None
    aggregate: Annotated[str, choice(AGGREGATES)] = "total"
    number: Annotated[str | None, says("The number that `sum`, `avg` and `max_per_user` are of.")] = None
    breakdown: Annotated[str | None, says("A field or property: one series for each of its values.")] = None
    breakdown_limit: Annotated[int, within(1, 200, "The largest keep their names, the rest becomes `Other`.")] = 25
    cumulative: Annotated[bool, says("Running sums.")] = False
    band: Annotated[bool, says("Beside each point what was expected, from the time before it alone.")] = False

    def check(self, raw: RawParams) -> None:
        if self.band and (self.breakdown or self.cumulative or self.width > 1 or self.question.interval == "whole"):
            raw.wrong["band"] = "not with a breakdown, running sums, active people or the whole range"
        if self.aggregate in OF_SUMS and self.number is None:
            raw.wrong["property"] = f"needed for the {self.aggregate}"

    @property
    def match(self) -> Match:
        return Match(self.event)

    @property
    def width(self) -> int:
        """Of the window, in periods."""
        return WINDOWS.get((self.aggregate, self.question.interval), 1)

    @property
    def periods(self) -> Periods:
        """Those of the range, and before them those that the window of the first one reaches back to."""
        return self.question.periods(before=self.before)

    @property
    def before(self) -> int:
        """Periods before the range."""
        return BAND_PERIODS[self.question.interval] if self.band else self.width - 1

"""A goal as questions need it: which events reach it, and what each is worth."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quadra.analytics.questions.matching import Match, Parameters, number_sql
from quadra.analytics.visits.addresses import page_of
from quadra.core.api.raw_params import Where

STARS = re.compile(r"\*+")


@dataclass(frozen=True)
class Goal:
    id: str
    name: str
    event: str | None = None
    page: str | None = None
    """A page; `*` stands for anything within one part of the path, `**` for any number of parts."""
    where: Where = ()
    value_property: str | None = None
    currency: str | None = None

    def sql(self, params: Parameters, *, coded: bool = False) -> str:
        """The condition of an event that reaches it, never NULL. `coded` is of a row with the `code` of its origin, beside
        the relation `origins`, so that each address is compared once.
        """
        if self.page is None:
            return Match(self.event, self.where).sql(params)
        pattern = params.add(pattern_of(self.page))
        fits = f"coalesce(regexp_full_match({page_of()}, {pattern}), false)"
        if coded:
            fits = f"code IN (SELECT code FROM origins WHERE regexp_full_match(page, {pattern}))"
        return f"(kind = 'page' AND {fits} AND {Match(where=self.where).sql(params)})"

    def event_sql(self, params: Parameters) -> str:
        """`sql` without the page: whether that fits is said by `page_fits`."""
        if self.page is None:
            return self.sql(params)
        return f"(kind = 'page' AND {Match(where=self.where).sql(params)})"

    def page_fits(self, params: Parameters, page: str) -> str:
        return f"coalesce(regexp_full_match({page}, {params.add(pattern_of(self.page or ''))}), false)"

    def value_sql(self, params: Parameters) -> str:
        return "NULL::DOUBLE" if self.value_property is None else number_sql(self.value_property, params)


def pattern_of(page: str) -> str:
    """A regular expression for whole pages."""
    parts, at = [], 0
    for found in STARS.finditer(page):
        parts += [re.escape(page[at : found.start()]), "[^/]*" if found[0] == "*" else "(?s:.*)"]
        at = found.end()
    return "".join([*parts, re.escape(page[at:])])

"""Segments of people: kept, found, and made a rule that questions understand."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from quadra.analytics.questions.matching import Match
from quadra.analytics.questions.segment import Did, Segment
from quadra.analytics.tables import SegmentOfPeople
from quadra.core.api.params import Params, says, within
from quadra.core.api.raw_params import RawParams, Where, kept_where
from quadra.core.errors import NotFound
from quadra.core.runtime import Runtime

DID_MOST = 20


class AskedDid(Struct, kw_only=True):
    event: Annotated[str | None, says("Its name. Left out: any event.", "order_placed")] = None
    where: Annotated[Where, says("A filter of these events.")] = ()
    at_least: Annotated[int, within(1, 1_000_000, "So often.")] = 1
    within_days: Annotated[int, within(1, 3_660, "Before the end of the range. Left out: ever before it.")] | None = (
        None
    )

    @property
    def rule(self) -> Did:
        return Did(Match(self.event, self.where), self.at_least, self.within_days)

    @property
    def kept(self) -> dict[str, Any]:
        found = {"event": self.event, "where": kept_where(self.where), "at_least": self.at_least}
        return {name: value for name, value in {**found, "within_days": self.within_days}.items() if value}


DidList = Annotated[list[AskedDid], Meta(min_length=0, max_length=DID_MOST)]


class Rule(Struct, kw_only=True):
    """Who belongs to a segment, as a request states it."""

    where: Annotated[Where, says("Any of the person's events in the range fits.")] = ()
    did: Annotated[DidList, says("What they did.")] = []
    did_not: Annotated[DidList, says("What they did not do; with `at_least` not so often.")] = []

    @property
    def segment(self) -> Segment:
        return Segment(
            Match(where=self.where) if self.where else None,
            tuple(each.rule for each in self.did),
            tuple(each.rule for each in self.did_not),
        )

    @property
    def kept(self) -> dict[str, Any]:
        return {
            "where": kept_where(self.where),
            "did": [each.kept for each in self.did],
            "did_not": [each.kept for each in self.did_not],
        }


RULE = Params(Rule)


def segment_of(runtime: Runtime, project_id: int, segment_id: str) -> Segment:
    """Raises `NotFound`, for one of another project as for none."""
    with runtime.database.read() as session:
        row = session.get(SegmentOfPeople, segment_id)
        if row is None or row.project_id != project_id:
            raise NotFound("There is no such segment.")
        return RULE.of(RawParams.of_body(row.rule)).segment

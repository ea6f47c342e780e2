"""What the demo's shop keeps beside its events: goals, a segment, and annotations of its releases and incidents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from quadra.analytics.kept.annotations import annotate
from quadra.analytics.tables import Annotation, GoalRow, SegmentOfPeople
from quadra.core.runtime import Runtime

BY = "demo"
EVERY_DAYS, RELEASE_ON, INCIDENT_ON = 19, 6, 7
"""Of the calendar: what happened on a day stays, whenever the history is made."""
RELEASED_AT = time(9, 30, tzinfo=UTC)
INCIDENT_FROM, INCIDENT_TO = time(14, tzinfo=UTC), time(18, tzinfo=UTC)
GOALS = (
    {"name": "Order placed", "event": "order_placed", "value_property": "value", "currency": "EUR"},
    {"name": "Added to basket", "event": "added_to_basket"},
    {"name": "Looked at a product", "page": "/products/*"},
)
TWICE = {"where": {}, "did": [{"event": "order_placed", "at_least": 2}], "did_not": []}


def in_incident(at: datetime) -> bool:
    return at.toordinal() % EVERY_DAYS == INCIDENT_ON and INCIDENT_FROM <= at.timetz() < INCIDENT_TO


def keep_goals(runtime: Runtime, project_id: int) -> None:
    """Once: what somebody changed or deleted since stays so, as long as there is any."""
    with runtime.database.begin() as session:
        if session.scalar(sa.select(GoalRow.id).where(GoalRow.project_id == project_id).limit(1)) is None:
            session.add_all([GoalRow(project_id=project_id, where={}, created_by=BY, **goal) for goal in GOALS])
        kept = sa.select(SegmentOfPeople.id).where(SegmentOfPeople.project_id == project_id)
        if session.scalar(kept.limit(1)) is None:
            session.add(SegmentOfPeople(project_id=project_id, name="Bought twice", rule=TWICE, created_by=BY))


def annotate_history(runtime: Runtime, project_id: int, until: datetime, days: int) -> None:
    """The releases and incidents of those days, each once."""
    with runtime.database.begin() as session:
        query = sa.select(Annotation.at).where(Annotation.project_id == project_id, Annotation.created_by == BY)
        there = set(session.scalars(query))
        for at, text, source in _happened(until, days):
            if at < until and at not in there:
                annotate(session, project_id, text, at=at, source=source, by=BY)


def _happened(until: datetime, days: int) -> Iterator[tuple[datetime, str, str]]:
    for back in range(days, -1, -1):
        day: date = until.date() - timedelta(days=back)
        place, number = day.toordinal() % EVERY_DAYS, day.toordinal() // EVERY_DAYS % 100
        if place == RELEASE_ON:
            yield datetime.combine(day, RELEASED_AT), f"Release 2.{number}", "release"
        if place == INCIDENT_ON:
            yield datetime.combine(day, INCIDENT_FROM), f"The bank declines cards since release 2.{number}", "incident"
            yield datetime.combine(day, INCIDENT_TO), f"Release 2.{number}.1 mends the payment", "release"

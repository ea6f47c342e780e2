"""Which types of event there are, how many of each, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Lens
from quadra.analytics.questions.listed import Listed, ids_of, of_person, wanted
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement
from quadra.core.api.params import within


class Params(Listed, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many types to name.")] = 100


class EventType(Struct):
    event_type: str
    count: int
    avg_duration_ms: float | None


class EventTypes(Measured, kw_only=True):
    event_types: list[EventType]
    total_events: int


def counted(asked: Params, ids: Sequence[str] | None) -> Statement:
    """Rows (type, count, mean duration, count of all types)."""
    params = Parameters()
    sql = f"""
        SELECT event_type, count(*) AS count, favg(duration_ms) AS avg_duration_ms,
            CAST(sum(count(*)) OVER () AS BIGINT) AS total
        FROM {of_person(ids, params)} WHERE {wanted(asked, params)} GROUP BY event_type
        ORDER BY count DESC, event_type LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> EventTypes:
    rows = events.ask(counted(asked, ids_of(events, asked.user_id))).rows
    return EventTypes(
        **events.measures(),
        event_types=[EventType(*row) for *row, _total in rows],
        total_events=rows[0][-1] if rows else 0,
    )


LENS = Lens(
    path="user/events/analytics",
    title="Types of event",
    says="How many there are of each type, and how long they took.",
    group=RECORDED,
    Params=Params,
    Answer=EventTypes,
    statements=lambda asked: [counted(asked, None if asked.user_id is None else [asked.user_id])],
    answer=answer,
)

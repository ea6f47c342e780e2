"""Which types of event there are, how many of each, and how long they took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from msgspec import Struct

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Lens
from quadra.analytics.questions.listed import Listed, ids_of, of_person, wanted
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.snapshot import Measured, Row, Snapshot, Statement
from quadra.analytics.questions.tallies import counted_by
from quadra.core.api.params import within
from quadra.warehouse.query.tally import Tallied, Tally

COLUMNS = ("type", "events", "total", "times")


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
    statement = counted(asked, ids_of(events, asked.user_id))
    if asked.user_id is None:
        rows = events.put_together(statement, partial(_tallies, asked), partial(_rows, asked))
    else:
        rows = events.ask(statement).rows
    return EventTypes(
        **events.measures(),
        event_types=[EventType(*row) for *row, _total in rows],
        total_events=rows[0][-1] if rows else 0,
    )


def _tallies(asked: Params) -> list[Tally]:
    question, params = asked.question, Parameters()
    values = {"events": "count(*)", "total": "coalesce(fsum(duration_ms), 0)", "times": "count(duration_ms)"}
    whole = Periods((question.start_us,), question.end_us)
    return [
        counted_by({"type": "event_type"}, values, wanted(asked, params), params, whole, {"duration_ms": "duration_ms"})
    ]


def _rows(asked: Params, found: Tallied) -> list[Row]:
    kinds: dict[int, tuple[int, list[float], int]] = {}
    for code, count, total, times in zip(*(found.columns[name].tolist() for name in COLUMNS), strict=True):
        before, totals, said = kinds.get(code, (0, [], 0))
        kinds[code] = (before + count, [*totals, total], said + times)
    every = sum(count for count, _totals, _times in kinds.values())
    rows = [
        (found.texts.text(code), count, math.fsum(totals) / times if times else None, every)
        for code, (count, totals, times) in kinds.items()
    ]
    return sorted(rows, key=lambda row: (-row[1], row[0] or ""))[: asked.limit]


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

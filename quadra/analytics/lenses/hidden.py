"""What changes or hides rows behind a reader's back: events by bots, and events that came long after they happened."""

from __future__ import annotations

from quadra.analytics.lenses.numbers import LATE_US
from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, where_clause
from quadra.core import clock
from quadra.core.api.openapi import Time


class Params(Asked, kw_only=True, frozen=True):
    """Nothing beside what every question takes."""


class HiddenRows(Measured, kw_only=True):
    bots: int
    """Events by bots, which questions about people leave out."""
    late: int
    """Events that came more than a day after they happened."""
    late_until: Time | None
    """When the last of those came: whoever asked before got smaller numbers."""


def counted(asked: Params) -> Statement:
    params = Parameters()
    late = f"received_us - occurred_us > {LATE_US}"
    sql = f"""
        SELECT count(*) FILTER (bot) AS bots, count(*) FILTER ({late}) AS late, max(received_us) FILTER ({late}) AS until_us
        FROM events WHERE {where_clause(asked.question, params)}"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> HiddenRows:
    (row,) = events.rows(counted(asked))
    until_us = row["until_us"] if row["late"] else None
    return HiddenRows(
        **events.measures(),
        bots=row["bots"],
        late=row["late"],
        late_until=None if until_us is None else clock.iso(clock.from_us(until_us)),
    )


LENS = Lens(
    path="hidden",
    title="Hidden rows",
    says="Events by bots, which questions about people leave out, and events that came more than a day after they happened, "
    "as by an import: figures that were read before they came were smaller.",
    group=OVERVIEW,
    Params=Params,
    Answer=HiddenRows,
    statements=lambda asked: [counted(asked)],
    answer=answer,
)

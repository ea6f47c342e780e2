"""Events one by one, the newest first: what happened, or what one person did."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from msgspec import Raw, defstruct

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Lens
from quadra.analytics.questions.listed import Listed, ids_of, of_person, wanted
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, iso
from quadra.analytics.questions.snapshot import within as occurred
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.api.params import says, within
from quadra.core.api.raw_params import RawParams
from quadra.core.typed import Typed
from quadra.ingest.columns import COLUMNS as EVENT_COLUMNS
from quadra.ingest.columns import Column
from quadra.ingest.kinds import numbered
from quadra.warehouse.columns import OUTSIDE, TIMES
from quadra.warehouse.query.span import Range

AHEAD_US = 48 * 3_600_000_000
"""More than events may lie in the future when they come."""
COLUMNS = ", ".join(
    column.replace("_at", "_us") if column in TIMES else f"{column} AS {name}" for name, column in OUTSIDE.items()
)

Place = tuple[int, str]
"""When an event occurred, and its id."""


class Params(Listed, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many to a page.")] = 100
    offset: Annotated[int, within(0, 1_000_000)] = 0
    cursor: Annotated[str | None, says("What the page before said; quicker than an offset, and misses nothing.")] = None

    def check(self, raw: RawParams) -> None:
        if self.cursor is not None and self.after is None:
            raw.wrong["cursor"] = "a cursor that an answer gave"

    @property
    def after(self) -> Place | None:
        """The last event of the page before."""
        try:
            us, event_id = orjson.loads(base64.urlsafe_b64decode(self.cursor or ""))
            if type(us) is int and 0 <= us < 2**62 and isinstance(event_id, str):
                return us, event_id
        except (binascii.Error, TypeError, ValueError):
            pass
        return None


SHOWN = {str: str, float: float, bool: bool, Raw: dict[str, Any]}
NAMED = {"occurred_at": "timestamp"}
"""What this answer calls otherwise than exports do."""


def _shape(column: Column) -> tuple[str, Any]:
    shown = Time if column.is_time else SHOWN[column.type]
    is_empty = column.nullable and column.type is not Raw
    return NAMED.get(column.name, column.outside), shown | None if is_empty else shown


if TYPE_CHECKING:
    EventRow = Any
else:
    EventRow = defstruct(
        "EventRow",
        [("batch_id", str), *(_shape(column) for column in EVENT_COLUMNS if column.name != "project_id")],
        kw_only=True,
        module=__name__,
    )


class EventRows(Measured, kw_only=True):
    events: list[EventRow]
    count: int
    cursor: str | None


ROWS = Typed(list[EventRow])


def reach(asked: Params) -> Range:
    """Without a range all of history is listed."""
    question = asked.question
    start_us = question.start_us if question.begins else 0
    return Range(start_us, question.end_us if question.ends else max(question.end_us, clock.now_us() + AHEAD_US))


def place_of_last(asked: Params, ids: Sequence[str] | None) -> Statement:
    """When the row after the page occurred, in columns that are small."""
    params, last = Parameters(), asked.offset + asked.limit
    source, where = of_person(ids, params), _where(asked, params)
    return Statement(
        f"SELECT occurred_us FROM {source} WHERE {where} ORDER BY occurred_us DESC LIMIT 1 OFFSET {last}", params
    )


def page(asked: Params, ids: Sequence[str] | None, oldest_us: int | None) -> Statement:
    """One row more than the page has, where there is one; only rows from `oldest_us` on are read whole."""
    params = Parameters()
    source, where = of_person(ids, params), _where(asked, params)
    if oldest_us is not None:
        where += f" AND {Range(oldest_us, None).sql}"
    sql = f"""
        SELECT {COLUMNS} FROM {source} WHERE {where}
        ORDER BY occurred_us DESC, event_id DESC LIMIT {asked.limit + 1} OFFSET {asked.offset}"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> EventRows:
    ids = ids_of(events, asked.user_id)
    oldest = events.rows(place_of_last(asked, ids))
    rows = events.rows(page(asked, ids, oldest[0]["occurred_us"] if oldest else None))
    more, rows = rows[asked.limit :], rows[: asked.limit]
    cursor = _cursor(rows[-1]) if more else None
    return EventRows(
        **events.measures(), events=ROWS.convert([_shown(row) for row in rows]), count=len(rows), cursor=cursor
    )


def _where(asked: Params, params: Parameters) -> str:
    where = wanted(asked, params)
    if asked.after is None:
        return where
    us, event_id = asked.after
    earlier = f"occurred_us < {us} OR (occurred_us = {us} AND event_id < {params.add(event_id)})"
    return f"{where} AND {occurred(0, us + 1)} AND ({earlier})"


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in ("occurred_us", "received_us")}
    for name in ("fields", "properties"):
        shown[name] = orjson.loads(row[name]) if row[name] else {}
    shown["fields"] = numbered(shown["fields"])
    return {**shown, "timestamp": iso(row["occurred_us"]), "received_at": iso(row["received_us"])}


def _cursor(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["occurred_us"], row["event_id"]])).decode()


def _statements(asked: Params) -> list[Statement]:
    ids = None if asked.user_id is None else [asked.user_id]
    return [place_of_last(asked, ids), page(asked, ids, None)]


LENS = Lens(
    path="user/events",
    title="Events one by one",
    says="The newest first; without a range of all of history. With `user_id` it is the timeline of one person.",
    group=RECORDED,
    Params=Params,
    Answer=EventRows,
    range=reach,
    statements=_statements,
    answer=answer,
)

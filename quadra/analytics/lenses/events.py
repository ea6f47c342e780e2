"""Events one by one, the newest first: what happened, or what one person did."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any

import orjson

from quadra.accounts.tables import Project
from quadra.analytics.questions.listed import Listed, of_person, read_listed, wanted
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import END, START
from quadra.analytics.questions.snapshot import Asking, asking, iso, within
from quadra.core import clock
from quadra.core.given import Given
from quadra.core.runtime import Runtime

LIMIT, LIMIT_MOST, OFFSET_MOST = 100, 1_000, 1_000_000
AHEAD_US = 48 * 3_600_000_000
"""More than events may lie in the future when they come."""
COLUMNS = (
    "event_id, batch_id, kind, event_type, name AS event_name, category AS event_category, user_id, anonymous_id, "
    "session_id, occurred_us, received_us, page_url, page_title, referrer, device_type, browser, os, duration_ms, value, "
    "success, bot, fields, properties"
)

Place = tuple[int, str]
"""When an event occurred, and its id."""


@dataclass(frozen=True)
class Events:
    listed: Listed
    limit: int
    offset: int
    after: Place | None
    """The last event of the page before."""


def read(given: Given, project: Project) -> Events:
    """Without a range all of history is listed."""
    listed = read_listed(given, project)
    started, ended = (any(given.raw(name) is not None for name in names) for names in (START, END))
    question = listed.question
    if not started and given.raw("days") is None:
        question = replace(question, start_us=0)
    if not ended:
        question = replace(question, end_us=max(question.end_us, clock.now_us() + AHEAD_US))
    events = Events(
        listed=replace(listed, question=question),
        limit=given.number("limit", LIMIT, 1, LIMIT_MOST),
        offset=given.number("offset", 0, 0, OFFSET_MOST),
        after=_after(given),
    )
    given.check()
    return events


def answer(runtime: Runtime, events: Events) -> dict[str, Any]:
    with asking(runtime, events.listed.question) as ask:
        rows = _page(ask, events)
        more, rows = rows[events.limit :], rows[: events.limit]
        cursor = _cursor(rows[-1]) if more else None
        return ask.told(events=[_shown(row) for row in rows], count=len(rows), cursor=cursor)


def _page(ask: Asking, events: Events) -> list[dict[str, Any]]:
    """One row more than the page has, where there is one.

    The time of the last row is found first, in columns that are small: only rows from then on are read whole.
    """
    params, last = Parameters(), events.offset + events.limit
    source, where = of_person(ask, events.listed, params), _where(events, params)
    oldest = ask.rows(
        f"SELECT occurred_us FROM {source} WHERE {where} ORDER BY occurred_us DESC LIMIT 1 OFFSET {last}", params
    )
    if oldest:
        where += f" AND {within(oldest[0]['occurred_us'], events.listed.question.end_us)}"
    return ask.rows(
        f"""
        SELECT {COLUMNS} FROM {source} WHERE {where}
        ORDER BY occurred_us DESC, event_id DESC LIMIT {events.limit + 1} OFFSET {events.offset}""",
        params,
    )


def _where(events: Events, params: Parameters) -> str:
    where = wanted(events.listed, params)
    if events.after is None:
        return where
    us, event_id = events.after
    earlier = f"occurred_us < {us} OR (occurred_us = {us} AND event_id < {params.add(event_id)})"
    return f"{where} AND {within(0, us + 1)} AND ({earlier})"


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in ("occurred_us", "received_us")}
    for name in ("fields", "properties"):
        shown[name] = orjson.loads(row[name]) if row[name] else {}
    return {**shown, "timestamp": iso(row["occurred_us"]), "received_at": iso(row["received_us"])}


def _cursor(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["occurred_us"], row["event_id"]])).decode()


def _after(given: Given) -> Place | None:
    text = given.text("cursor")
    if text is None:
        return None
    try:
        us, event_id = orjson.loads(base64.urlsafe_b64decode(text))
        if type(us) is int and 0 <= us < 2**62 and isinstance(event_id, str):
            return us, event_id
    except (binascii.Error, TypeError, ValueError):
        pass
    given.wrong["cursor"] = "a cursor that an answer gave"
    return None

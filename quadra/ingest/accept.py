"""The steps an event passes on its way in, or is refused by. `STEPS` is the whole list, in order.

Accepting is pure and quick: no database, no clock, no loop. Plain events have a shorter way to the same rows (`plain.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec

from quadra.core import clock
from quadra.core.ids import uuid7
from quadra.ingest.agents import browser_of
from quadra.ingest.columns import SENT, Row
from quadra.ingest.doors.quota import Meter
from quadra.ingest.kinds import FOREIGN, FOREIGN_VALUES, KINDS, MAX_JSON_BYTES, kind_of
from quadra.ingest.secrets import KINDS as KINDS_WITH_SECRETS
from quadra.ingest.secrets import cleaned, covered
from quadra.ingest.soundness import MAX_DEPTH, Fields, check_json, invalid_reason
from quadra.ingest.wire import PLAIN, Refused, widened

EARLIEST_US = clock.to_us(datetime.fromisoformat("2000-01-01T00:00:00Z"))
FUTURE_US = timedelta(hours=24) // clock.MICROSECOND
SKEW_TOLERATED_US = timedelta(seconds=30) // clock.MICROSECOND
"""A sender's clock that is off by less than this is left alone: that is the network, not the clock."""

PAGE_MOST = 8 * 1024
"""Characters of what a `page` says; what is longer is cut."""
PAGE_COLUMNS = {"page_url": ("url", "href", "path"), "page_title": ("title",), "referrer": ("referrer",)}
"""column -> what a `page` object calls it, the first that is there"""
SENT_NAMES = tuple(column.name for column in SENT)
SENT_VALUES: Callable[[Any], tuple[Any, ...]] = attrgetter(*SENT_NAMES, "user_agent")
"""All at once: this runs for every event, and nearly always finds nothing."""
PAGE_NAMES = frozenset(name for names in PAGE_COLUMNS.values() for name in names)

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Sender:
    """Whoever sends: what is the same for all events of a request or connection."""

    project_id: int
    door: str
    """`socket`, `http`, `segment`, `posthog`, `umami`, `plausible`, `matomo`, `import`, `demo` or `quadra`."""
    device_type: str | None = None
    browser: str | None = None
    os: str | None = None
    bot: bool = False
    country: str | None = None
    region: str | None = None
    language: str | None = None
    """What the browser asks for; an event may say another."""
    meter: Meter | None = None
    """What counts the events of the key; None where no limit applies."""
    visitor: str | None = None
    """The visitor of a browser whose events name no person; over a socket they must."""
    needs_identity: bool = False
    """Over a socket the event and its person are required; over HTTP both may be left out."""


def accept(wire: Any, sender: Sender, received_us: int, sent_at: int | str | None = None) -> Row:
    """A row for the log. Raises `Refused`, naming the fields.

    `sent_at` is the sender's clock when it sent the whole request, where the event has none of its own.
    """
    row = accept_or_refuse(wire, sender, received_us, sent_at)
    if type(row) is Refused:
        raise row
    return row


def accept_or_refuse(wire: Any, sender: Sender, received_us: int, sent_at: int | str | None = None) -> Row | Refused:
    """The same with the refusal as a value; one that comes instead of a wire event stays what it is."""
    if type(wire) is Refused:
        return wire
    if type(wire) in PLAIN:
        wire = widened(wire)
    row = Row(sender.project_id, wire.event_id or "", "", "", "", received_us, received_us)
    step: Step = identity
    try:
        for step in STEPS:
            step(wire, row, sender, sent_at)
    except Refused as refused:
        refused.event_id, refused.step = wire.event_id or None, step.__name__
        return refused
    return row


def identity(wire: Any, row: Row, sender: Sender, _sent_at: Any) -> None:
    """Who and which: the event's id, the user or visitor, the session."""
    wrong: Fields = {}
    if not wire.event_id:
        if sender.needs_identity or wire.event_id == "":
            wrong["event_id"] = "required"
        else:
            row.event_id = uuid7()
    row.user_id = wire.user_id or wire.anonymous_id or None
    row.anonymous_id = wire.anonymous_id or None
    row.session_id = wire.session_id or None
    if row.user_id is None and sender.visitor is not None and not sender.needs_identity:
        row.user_id = row.anonymous_id = sender.visitor
    if sender.needs_identity and row.user_id is None:
        wrong["user_id"] = "user_id or anonymous_id is required"
    if wrong:
        raise Refused("invalid", wrong)


def nesting(wire: Any, _row: Row, _sender: Sender, _sent_at: Any) -> None:
    """Objects that were decoded already are bounded before anything walks through them."""
    for field in ("page", "context"):
        if (
            isinstance(found := getattr(wire, field), dict)
            and (problem := invalid_reason(found, MAX_DEPTH)) is not None
        ):
            raise Refused("invalid", {field: problem})


def shape(wire: Any, row: Row, _sender: Sender, _sent_at: Any) -> None:
    """The kind, its required fields, and where each field is kept."""
    name = kind_of(wire)
    kind = KINDS.get(name)
    if kind is None:
        raise Refused("invalid", {"kind": f"one of {', '.join(KINDS)}"})
    wrong = {field: "required" for field in kind.required if getattr(wire, field) in (None, "")}
    if not wrong:
        wrong = kind.check(wire)
    if wrong:
        raise Refused("invalid", wrong)
    row.kind = name
    row.event_type = wire.event_type or ("page_view" if name == "page" else name)
    row.name = wire.event_name or row.event_type
    row.category = wire.event_category or wire.category
    row.value = getattr(wire, kind.value)
    row.duration_ms = _duration(wire, kind.duration)
    row.success = wire.success
    if name == "request":
        _request(wire, row)
    kept = {field: value for field in kind.kept if (value := getattr(wire, field)) is not None}
    if kept:
        row.fields = msgspec.Raw(_encode(kept))


def _request(wire: Any, row: Row) -> None:
    if row.success is None and wire.status_code is not None:
        row.success = wire.status_code < 400
    if wire.endpoint is None and isinstance(wire.path, str):
        wire.endpoint, wire.path = wire.path, None


def page(wire: Any, row: Row, _sender: Sender, _sent_at: Any) -> None:
    """Where on a site: `page` may be a URL or an object with url, title and referrer."""
    row.page_url, row.page_title, row.referrer = wire.page_url, wire.page_title, wire.referrer
    sent = wire.page
    if sent is None:
        return
    if isinstance(sent, str):
        sent = {"url": sent}
    for column, names in PAGE_COLUMNS.items():
        value = next((sent[name] for name in names if isinstance(sent.get(name), str)), None)
        if value is not None and getattr(row, column) is None:
            setattr(row, column, value[:PAGE_MOST])


def properties(wire: Any, row: Row, _sender: Sender, _sent_at: Any) -> None:
    """What the sender added. `properties` and `metadata` are one thing; fields of other kinds and what else `page` says
    are kept there too, under what the sender's own properties say.
    """
    row.properties = _checked("properties", wire.properties)
    metadata = _checked("metadata", wire.metadata)
    foreign = FOREIGN_VALUES[row.kind](wire)
    rest = (
        {name: value for name, value in wire.page.items() if name not in PAGE_NAMES}
        if type(wire.page) is dict
        else None
    )
    if not rest and foreign.count(None) == len(foreign) and (metadata is None or row.properties is None):
        row.properties = row.properties or metadata
        return
    merged = {name: _plain(value) for name, value in zip(FOREIGN[row.kind], foreign, strict=True) if value is not None}
    if rest:
        merged["page"] = rest
    for own in (metadata, row.properties):
        merged |= msgspec.json.decode(own) if own is not None else {}
    row.properties = msgspec.Raw(_encode(merged))  # each part is no deeper than it may be
    if len(bytes(row.properties)) > MAX_JSON_BYTES:
        raise Refused("invalid", {"properties": f"larger than {MAX_JSON_BYTES} bytes"})


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if type(value) is msgspec.Raw else value


def secrets(_wire: Any, row: Row, _sender: Sender, _sent_at: Any) -> None:
    """Removes secrets from errors and requests; other kinds stay as they came."""
    if row.kind not in KINDS_WITH_SECRETS:
        return
    row.fields, row.properties = cleaned(row.fields), cleaned(row.properties)
    for column in ("page_url", "referrer"):
        if (text := getattr(row, column)) is not None:
            setattr(row, column, covered(text))


def size(wire: Any, row: Row, _sender: Sender, _sent_at: Any) -> None:
    """The typed fields together are bounded as the properties are."""
    for field in ("traits", "tags"):
        if (raw := getattr(wire, field)) is not None:
            _checked(field, raw)
    if row.fields is not None and len(bytes(row.fields)) > 2 * MAX_JSON_BYTES:
        raise Refused("invalid", {"fields": f"the event's own fields are larger than {2 * MAX_JSON_BYTES} bytes"})


def time(wire: Any, row: Row, _sender: Sender, sent_at: Any) -> None:
    """When it happened, with the sender's clock corrected; without a timestamp, when it was received."""
    if wire.timestamp is None:
        return
    at = microseconds("timestamp", wire.timestamp)
    sent = wire.sent_at if wire.sent_at is not None else sent_at
    if sent is not None:
        skew = row.received_at - microseconds("sent_at", sent)
        if abs(skew) > SKEW_TOLERATED_US:
            at += skew
    if at < EARLIEST_US:
        raise Refused("clock", {"timestamp": "before 2000 (milliseconds or ISO 8601 are expected)"})
    if at > row.received_at + FUTURE_US:
        raise Refused("clock", {"timestamp": "more than 24 hours in the future"})
    row.occurred_at = at


def client(_wire: Any, row: Row, sender: Sender, _sent_at: Any) -> None:
    """The sender's device, and whether it is a bot: marked, never dropped."""
    row.device_type, row.browser, row.os = sender.device_type, sender.browser, sender.os
    row.bot, row.door = sender.bot, sender.door
    row.country, row.region, row.language = sender.country, sender.region, sender.language


def copied(wire: Any, row: Row, _sender: Sender, _sent_at: Any) -> None:
    """The columns that senders fill under their own names; what they leave out stays as the steps before left it. A server
    speaks for a person's browser: `user_agent` is the browser's, and says nothing about bots.
    """
    values = SENT_VALUES(wire)
    if values.count(None) < len(values):
        *sent, user_agent = values
        if user_agent and not (agent := browser_of(user_agent)).bot:
            row.device_type, row.browser, row.os = agent.device_type, agent.browser, agent.os
        for name, value in zip(SENT_NAMES, sent, strict=True):
            if value:
                setattr(row, name, value)


Step = Callable[[Any, Row, Sender, Any], None]
STEPS: tuple[Step, ...] = (identity, nesting, shape, page, size, properties, secrets, time, client, copied)


def _duration(wire: Any, field: str) -> float | None:
    if wire.duration_ms is not None:
        return float(wire.duration_ms)
    value = getattr(wire, field)
    if value is None:
        value, field = wire.duration_seconds, "duration_seconds"
    if value is None:
        return None
    return float(value * 1000 if field.endswith("_seconds") else value)


def _checked(field: str, raw: msgspec.Raw | None) -> msgspec.Raw | None:
    if raw is None or bytes(raw) == b"null":
        return None
    if wrong := check_json(raw, field):
        raise Refused("invalid", wrong)
    return raw


def microseconds(field: str, value: int | str) -> int:
    """Milliseconds since 1970, or ISO 8601 with an offset."""
    if isinstance(value, int):
        return value * 1000
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Refused("invalid", {field: "not a date (ISO 8601 with an offset, or integer milliseconds)"}) from None
    if at.tzinfo is None:
        raise Refused("invalid", {field: "has no offset (write 2026-01-31T12:00:00Z)"})
    try:
        return clock.to_us(at)
    except OverflowError:
        raise Refused("clock", {field: "outside the calendar"}) from None

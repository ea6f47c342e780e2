"""What the doors for other products' SDKs have in common. They are lenient where those products are: an SDK that ran
against its own server must run against this one, and what it sends is kept or refused by name, never lost in silence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import request

from quadra.core.errors import Invalid
from quadra.ingest.accept import Sender
from quadra.ingest.agents import browser_of
from quadra.ingest.kinds import MAX_JSON_BYTES
from quadra.ingest.soundness import MAX_DEPTH, TOO_DEEP, TOO_MANY, invalid_reason
from quadra.ingest.wire import Refused, from_known

SECONDS = range(946_684_800, 100_000_000_000)
"""Numbers that as milliseconds lie before 2000, where no event may be: they are seconds."""


def decode(raw: bytes) -> Any:
    """A body's JSON. Raises `Invalid`.

    What the strict decoder refuses (NaN, half a surrogate pair) is read again leniently: one such event must not cost
    the whole batch; `wire` refuses it alone.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"The body is not JSON: {error}") from error


def wire(fields: dict[str, Any], names: Mapping[str, str]) -> Any:
    """An event of ours. Raises `Refused` with the fields under the sender's own `names`."""
    try:
        return from_known(fields)
    except Refused as refused:
        if not _finite(fields):
            wrong = {"event": "holds NaN or Infinity, which JSON does not have"}
            raise Refused("invalid", wrong, _id(fields)) from refused
        refused.fields = {names.get(name, name): what for name, what in refused.fields.items()}
        refused.event_id = refused.event_id or _id(fields)
        raise


def text(value: Any) -> Any:
    """An id as text: SDKs send numbers too. Nothing for an empty one; what is neither is left for `wire` to refuse."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    return str(value).strip() or None


def word(value: Any, most: int = 300) -> str:
    """A short text; empty for anything else, and cut where it is longer than the column."""
    return value.strip()[:most] if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A finite number, also written as text; None for anything else: what a tracker adds is no reason to refuse an event."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def decoded(value: Any) -> Any:
    """JSON that trackers send as a text within another form; None where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value) if len(value) <= MAX_JSON_BYTES else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def moment(value: Any) -> Any:
    """A time as `accept` reads it: numbers may be seconds or milliseconds, a time without an offset is UTC."""
    if isinstance(value, str):
        value = value.strip()
        number = _number(value)
        if number is None:
            return _with_offset(value) if value else None
        value = number
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN"
        return round(value * 1000) if int(value) in SECONDS else round(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in SECONDS:
        return value * 1000
    return value


def sent(value: Any) -> int | str | None:
    """The sender's clock when it sent. One that cannot be read corrects nothing; it is no reason to refuse events."""
    at = moment(value)
    if isinstance(at, str):
        try:
            return at if datetime.fromisoformat(at).tzinfo else None
        except ValueError:
            return None
    return at if isinstance(at, int) and not isinstance(at, bool) and 0 < at < 2**53 else None


def beside(properties: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """`properties` with the `context` under that name, or with a note that it was left out for its size."""
    if not context:
        return dict(properties)
    name = "_context" if "context" in properties else "context"
    both = {**properties, name: context}
    if invalid_reason(both, MAX_DEPTH) not in (TOO_DEEP, TOO_MANY):  # looked at first: writing recurses
        size = len(json.dumps(both, separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))
        if size <= MAX_JSON_BYTES:
            return both
    return {**properties, f"{name}_left_out": f"larger than {MAX_JSON_BYTES} bytes or deeper than {MAX_DEPTH} levels"}


def described(sender: Sender, user_agent: Any = None, **known: Any) -> Sender:
    """The sender with the device that the event itself names: the SDK of a server speaks for a person's browser.

    Whether it is a bot is judged from the request alone, and only of browsers: see `Intake.sender`.
    """
    device: dict[str, Any] = {}
    if isinstance(user_agent, str) and user_agent:
        agent = browser_of(user_agent)
        if not agent.bot:
            device = {"device_type": agent.device_type, "browser": agent.browser, "os": agent.os}
    longest = {"device_type": 16, "browser": 64, "os": 64}
    device |= {name: value[: longest[name]] for name, value in known.items() if isinstance(value, str) and value}
    return replace(sender, **device) if device and not sender.bot else sender


def cors_preflight() -> dict[str, str]:
    """The headers for browsers of any page: SDKs add headers of their own, so what is asked for is allowed."""
    asked = request.headers.get("Access-Control-Request-Headers", "")
    return {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": asked or "Content-Type, Content-Encoding, Authorization, X-Quadra-Key",
        "Access-Control-Max-Age": "86400",
    }


def refusals(outcomes: list[Any]) -> dict[str, Any]:
    """What is told beside the SDK's own answer when some events of a batch were refused."""
    refused = [
        {"index": index, "event_id": one.event_id, "code": one.code, "fields": one.fields, "message": one.message}
        for index, one in enumerate(outcomes)
        if isinstance(one, Refused)
    ]
    return {"refused": refused} if refused else {}


def _number(value: str) -> int | float | None:
    if len(value) < 9:  # 20260131 is a date
        return None
    try:
        return int(value) if value.lstrip("-").isdecimal() and len(value) < 18 else float(value)
    except ValueError:
        return None


def _with_offset(value: str) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if at.tzinfo else at.replace(tzinfo=UTC).isoformat()


def _id(fields: Mapping[str, Any]) -> str | None:
    found = fields.get("event_id")
    return found if isinstance(found, str) else None


def _finite(value: Any) -> bool:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return False
        if isinstance(item, Mapping):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return True

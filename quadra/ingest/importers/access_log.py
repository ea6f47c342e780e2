"""Lines of a web server's access log in Combined or Common format. Pure.

Real logs hold quotes inside of fields, bytes that are no text, and lines that were cut off: what can be read is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from quadra.ingest.importers.access_log_head import prefix_end, read_head, with_forwarded
from quadra.ingest.wire import Refused

TIME = re.compile(r" \[(\d{1,2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] ")
REST = re.compile(
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"(?: "(?P<forwarded>[^"]*)")?(?: .*)?)?'
)
LOOSE = re.compile(
    r'"(?P<request>.*?)" (?P<status>\d{3}) (?P<bytes>\d+|-)(?: "(?P<referrer>.*?)" "(?P<agent>.*))?(?P<forwarded>)'
)
"""For lines with a bare quote inside, and for such as were cut off in their last field."""
MAX_LINE = 16 * 1024
"""LOOSE tries many places; this bounds how many."""

ESCAPES = re.compile(r'(?:\\x[0-9a-fA-F]{2})+|\\["\\]')
METHOD = re.compile(r"[A-Z]{3,20}")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
"""As logs name them, whatever language this machine speaks."""


class Entry(NamedTuple):
    """One line, read."""

    address: str
    """The client's, in one spelling; empty where the log does not say it."""
    time: Any
    method: str | None
    target: str | None
    status: int
    sent_bytes: int | None
    referrer: str | None
    agent: str
    host: str | None = None
    scheme: str | None = None
    user: str | None = None
    seconds: float | None = None
    raw_request: str | None = None
    more: Mapping[str, Any] = {}
    addresses: tuple[str, ...] = ()
    """All that the line names: none of them is kept."""


def read_line(line: str) -> Entry:
    """A line in Combined or Common format; what may stand before its time is said in `access_log_head`. Raises `Refused`."""
    if len(line) > MAX_LINE:
        raise Refused("invalid", {"line": f"longer than {MAX_LINE} characters"})
    begin = prefix_end(line)
    time = TIME.search(line, begin)
    match = time and (REST.fullmatch(line, time.end()) or LOOSE.fullmatch(line, time.end()))
    if time is None or match is None:
        raise Refused("invalid", {"line": "not a line of an access log in Combined or Common format"})
    head = with_forwarded(read_head(line[begin : time.start()]), match["forwarded"] or "")
    request = _unescaped(match["request"])
    method, target = split_request(request)
    return Entry(
        address=head.address,
        time=clf_time(time[1]),
        method=method,
        target=target,
        status=int(match["status"]),
        sent_bytes=whole(match["bytes"]),
        referrer=_given(_unescaped(match["referrer"] or "")),
        agent=_given(_unescaped((match["agent"] or "").removesuffix('"'))) or "",
        host=head.host,
        user=head.user,
        raw_request=None if target else request,
        addresses=head.all,
    )


def split_request(request: str) -> tuple[str | None, str | None]:
    """(method, target) of `GET /a HTTP/1.1`; nothing where it is not even that."""
    method, _, rest = request.partition(" ")
    if not METHOD.fullmatch(method) or not rest:
        return None, None
    target, _, version = rest.rpartition(" ")
    return method, target if target and version.startswith("HTTP/") else rest


def clf_time(value: str) -> str:
    """`17/May/2015:10:05:03 +0000` in ISO 8601. Raises `Refused`."""
    try:
        day, month, rest = value.split("/", 2)
        year, hour, minute, second = rest[:-6].split(":")
        number = MONTHS.index(month.lower()) + 1
        seconds = min(int(second), 59)  # 60 is a leap second
        offset = f"{rest[-5:-2]}:{rest[-2:]}"
        written = f"{year}-{number:02}-{int(day):02}T{hour}:{minute}:{seconds:02}{offset}"
        return datetime.fromisoformat(written).isoformat()
    except ValueError:
        raise Refused("invalid", {"time": f"not a date: {value}"}) from None


def _unescaped(text: str) -> str:
    return ESCAPES.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    escape = match[0]
    if not escape.startswith("\\x"):
        return escape[1]
    raw = bytes.fromhex(escape.replace("\\x", ""))
    try:
        plain = raw.decode()
    except UnicodeDecodeError:
        plain = raw.decode("latin-1")
    # bytes that are no text, such as a TLS greeting to a plain port, stay as the log spelt them
    return plain if plain.isprintable() else escape


def _given(value: str) -> str | None:
    return None if value in ("", "-") else value


def whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None

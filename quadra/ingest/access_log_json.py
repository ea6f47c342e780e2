"""JSON lines of an access log, as nginx writes them where somebody set `log_format … escape=json`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from quadra.ingest.access_log import Entry, clf_time, split_request, whole
from quadra.ingest.foreign import moment
from quadra.ingest.wire import Refused

NAMES = {
    "address": ("remote_addr", "remote_ip", "client_ip", "client", "clientip", "http_x_forwarded_for"),
    "time": ("time_iso8601", "time_local", "timestamp", "@timestamp", "time", "msec", "ts"),
    "request": ("request",),
    "method": ("request_method", "method", "verb"),
    "target": ("request_uri", "uri", "path", "url"),
    "status": ("status", "status_code", "response"),
    "bytes": ("body_bytes_sent", "bytes_sent", "bytes", "size"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer"),
    "agent": ("http_user_agent", "user_agent", "agent"),
    "host": ("host", "http_host", "server_name", "vhost"),
    "scheme": ("scheme",),
    "seconds": ("request_time", "upstream_response_time"),
    "user": ("remote_user",),
}
"""What we look for in a JSON line -> the names that nginx configurations give it."""


def is_entry(found: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a line of an access log and no event."""
    if any(name in found for name in ("event_type", "eventType", "kind", "event")):
        return False
    return _get(found, "status") is not None and (
        _get(found, "request") is not None or (_get(found, "target") is not None and _get(found, "address") is not None)
    )


def read_json(found: Mapping[str, Any]) -> Entry:
    """One of nginx's JSON lines, however its fields are named. Raises `Refused`."""
    status = whole(_get(found, "status"))
    if status is None:
        raise Refused("invalid", {"status": "not a number"})
    request = str(_get(found, "request") or "")
    method, target = split_request(request)
    at, seconds = _get(found, "time"), _get(found, "seconds")
    used = {name for names in NAMES.values() for name in names}
    return Entry(
        address=str(_get(found, "address") or "").partition(",")[0].strip(),
        time=clf_time(at) if isinstance(at, str) and re.match(r"\d{1,2}/", at) else moment(_float(at, at)),
        method=_text(_get(found, "method")) or method,
        target=_text(_get(found, "target")) or target,
        status=status,
        sent_bytes=whole(_get(found, "bytes")),
        referrer=_text(_get(found, "referrer")),
        agent=_text(_get(found, "agent")) or "",
        host=_text(_get(found, "host")),
        scheme=_text(_get(found, "scheme")),
        user=_text(_get(found, "user")),
        seconds=_float(seconds, None),
        raw_request=request or None if not target else None,
        more={name: value for name, value in found.items() if name not in used and value not in (None, "", "-")},
    )


def _get(found: Mapping[str, Any], wanted: str) -> Any:
    return next((found[name] for name in NAMES[wanted] if found.get(name) not in (None, "", "-")), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _float(value: Any, otherwise: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return otherwise

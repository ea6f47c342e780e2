"""JSON lines of an access log: nginx's, where it has `log_format … escape=json`, Caddy's and Traefik's. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from quadra.ingest.importers.access_log import Entry, clf_time, split_request, whole
from quadra.ingest.importers.access_log_head import Head, with_forwarded
from quadra.ingest.importers.addresses import client_of, listed
from quadra.ingest.sdks.foreign import moment
from quadra.ingest.wire import Refused

NAMES = {
    "address": ("remote_addr", "remote_ip", "client_ip", "client", "clientip"),
    "forwarded": ("http_x_forwarded_for", "x_forwarded_for", "http_x_real_ip", "http_cf_connecting_ip"),
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
USED = {name for names in NAMES.values() for name in names}
EVENT_NAMES = ("event_type", "eventType", "kind", "event")
NANOSECONDS = 1e-9


def is_entry(entry: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a line of an access log and no event."""
    if any(name in entry for name in EVENT_NAMES):
        return False
    if _is_caddy(entry) or _is_traefik(entry):
        return True
    return _get(entry, "status") is not None and (
        _get(entry, "request") is not None or (_get(entry, "target") is not None and _get(entry, "address") is not None)
    )


def read_json(entry: Mapping[str, Any]) -> Entry:
    """One JSON line of a web server. Raises `Refused`."""
    if _is_caddy(entry):
        return _read_caddy(entry)
    return _read_traefik(entry) if _is_traefik(entry) else _read_nginx(entry)


def _read_nginx(entry: Mapping[str, Any]) -> Entry:
    """However its fields are named."""
    request = _get(entry, "request") or ""
    if not isinstance(request, str):
        raise Refused("invalid", {"request": "an object of no server that is known (Caddy, Traefik)"})
    method, target = split_request(request)
    head = _client(_get(entry, "address"), *(entry.get(name) for name in NAMES["forwarded"]))
    return Entry(
        address=head.address,
        time=_time(_get(entry, "time")),
        method=_text(_get(entry, "method")) or method,
        target=_text(_get(entry, "target")) or target,
        status=_status(_get(entry, "status")),
        sent_bytes=whole(_get(entry, "bytes")),
        referrer=_text(_get(entry, "referrer")),
        agent=_text(_get(entry, "agent")) or "",
        host=_text(_get(entry, "host")),
        scheme=_text(_get(entry, "scheme")),
        user=_text(_get(entry, "user")),
        seconds=_float(_get(entry, "seconds")),
        raw_request=request or None if not target else None,
        more={name: value for name, value in entry.items() if name not in USED and value not in (None, "", "-")},
        addresses=head.all,
    )


def _is_caddy(found: Mapping[str, Any]) -> bool:
    request = found.get("request")
    return isinstance(request, dict) and "uri" in request and "status" in found


def _read_caddy(entry: Mapping[str, Any]) -> Entry:
    """Headers are not kept: they hold cookies and addresses."""
    if str(entry.get("logger", "")).startswith("http.log.error"):
        raise Refused("invalid", {"line": "of Caddy's error log: its access log tells the same request"})
    request, headers = entry["request"], _headers(entry["request"].get("headers"))
    direct = next((request[name] for name in ("client_ip", "remote_ip", "remote_addr") if request.get(name)), None)
    head = _client(direct, headers.get("x-forwarded-for"))
    seen = [listed(str(request.get(name) or "")) or () for name in ("client_ip", "remote_ip", "remote_addr")]
    return Entry(
        address=head.address,
        time=_time(entry.get("ts")),
        method=_text(request.get("method")),
        target=_text(request.get("uri")),
        status=_status(entry.get("status")),
        sent_bytes=whole(entry.get("size")),
        referrer=headers.get("referer"),
        agent=headers.get("user-agent", ""),
        host=_text(request.get("host")),
        scheme="https" if request.get("tls") else None,
        user=_text(entry.get("user_id")) or None,
        seconds=_float(entry.get("duration")),
        addresses=(*head.all, *(address for addresses in seen for address in addresses)),
    )


def _is_traefik(found: Mapping[str, Any]) -> bool:
    return "RequestMethod" in found and ("DownstreamStatus" in found or "OriginStatus" in found)


def _read_traefik(entry: Mapping[str, Any]) -> Entry:
    prefix = "request_"
    headers = _headers({name[len(prefix) :]: value for name, value in entry.items() if name.startswith(prefix)})
    took, status = _float(entry.get("Duration")), entry.get("DownstreamStatus") or entry.get("OriginStatus")
    head = _client(entry.get("ClientHost") or entry.get("ClientAddr"), headers.get("x-forwarded-for"))
    return Entry(
        address=head.address,
        time=_time(entry.get("StartUTC") or entry.get("time")),
        method=_text(entry.get("RequestMethod")),
        target=_text(entry.get("RequestPath")),
        status=_status(status),
        sent_bytes=whole(entry.get("DownstreamContentSize")),
        referrer=headers.get("referer"),
        agent=headers.get("user-agent", ""),
        host=_text(entry.get("RequestHost")),
        scheme=_text(entry.get("RequestScheme")),
        user=_text(entry.get("ClientUsername")),
        seconds=None if took is None else took * NANOSECONDS,
        addresses=head.all,
    )


def _client(direct: Any, *forwarded: Any) -> Head:
    """The client, by the address that the server saw and by those that proxies named."""
    given = str(direct or "")
    found = listed(given)
    if found is None:
        raise Refused("invalid", {"client": "not an address"})
    head = Head(client_of(found), tuple(found), None, None)
    for text in forwarded:
        if isinstance(text, str):
            head = with_forwarded(head, text)
    return head


def _headers(found: Any) -> dict[str, str]:
    """Name in lower case -> value; servers write one as a text or a list."""
    headers = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(text, str) and text not in ("", "-"):
            headers[name.lower()] = text
    return headers


def _time(at: Any) -> Any:
    """Raises `Refused`: a line of a log that does not say when is not of now."""
    if isinstance(at, str) and re.match(r"\d{1,2}/", at):
        return clf_time(at)
    number = _float(at)
    found = moment(at if number is None else number)
    if found is None:
        raise Refused("invalid", {"time": "required"})
    return found


def _status(value: Any) -> int:
    if (status := whole(value)) is None:
        raise Refused("invalid", {"status": "not a number"})
    return status


def _get(found: Mapping[str, Any], wanted: str) -> Any:
    return next((found[name] for name in NAMES[wanted] if found.get(name) not in (None, "", "-")), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value not in ("", "-") else None


def _float(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None

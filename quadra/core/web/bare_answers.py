"""Answers to what never becomes a request of Flask's: as bytes, in the one shape of errors.

What came cannot be trusted to be anything, so nothing of it is repeated here.
"""

from __future__ import annotations

import http

import orjson

from quadra.core.ids import uuid7

SAID = {
    400: (
        "malformed",
        "This is no HTTP request that can be read; look at its first line, its headers and their lengths.",
    ),
    414: ("address_too_long", "The address is longer than Quadra reads; send what is long in a body."),
    431: (
        "headers_too_large",
        "The headers are larger than Quadra reads; send fewer, or shorter ones (cookies above all).",
    ),
    500: ("error", "Quadra made a mistake; it is in the log."),
    503: ("unavailable", "Too many connections; try again."),
    505: ("http_version", "Quadra speaks HTTP/1.0 and HTTP/1.1."),
}
RETRY_AFTER = {503: 5}


def bare_answer(status: int) -> bytes:
    """The whole answer, of one that is SAID; the connection ends after it."""
    code, message = SAID[status]
    request_id = uuid7()
    body = orjson.dumps({"error": {"code": code, "message": message, "fields": {}, "request_id": request_id}})
    lines = [
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"X-Request-ID: {request_id}",
    ]
    if (seconds := RETRY_AFTER.get(status)) is not None:
        lines.append(f"Retry-After: {seconds}")
    return "\r\n".join([*lines, "", ""]).encode() + body

"""`POST /api/events` without Flask: the busiest HTTP route goes from the WSGI server straight to the writer.

Flask's contexts, hooks and session cost more than accepting an event does (docs/benchmarks.md); this route needs none of
them. Everything else, its preflight too, is Flask's.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from quadra.core.errors import Invalid, QuadraError, TooLarge, Unauthorised
from quadra.core.ids import uuid7
from quadra.core.web.http import MAX_BODY_BYTES, REQUEST_ID, WSGIApp
from quadra.core.web.served import http_request_duration_seconds, http_requests_total
from quadra.ingest.accept import Sender
from quadra.ingest.doors import body
from quadra.ingest.doors.intake import FEW_EVENTS, QUICK_BYTES, SMALL_BYTES, Intake
from quadra.ingest.doors.quota import Meter
from quadra.ingest.doors.tickets import Stored
from quadra.ingest.wire import Refused

logger = logging.getLogger(__name__)

PATH = "/api/events"
_encode = msgspec.json.encode


def key_from(header: str, authorization: str, in_query: str) -> str:
    """The write key as sent: header, Bearer, Basic user name, or `?key=` (beacons cannot set headers)."""
    if header:
        return header.strip()
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except ValueError as error:  # no base64, not even ASCII, no UTF-8 within
            raise Unauthorised("The Authorization header is not valid Basic authentication.") from error
    return in_query


class EventsDoor:
    """WSGI: answers `POST /api/events`, passes everything else on."""

    def __init__(self, app: WSGIApp, intake: Intake, also: Iterable[str] = ()):
        """`also` are other paths that do the same."""
        self._app = app
        self._intake = intake
        self._paths = frozenset((PATH, *also))
        self._children: dict[str, Any] = {}
        self._duration = http_request_duration_seconds.labels("POST", PATH)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in self._paths or environ["REQUEST_METHOD"] != "POST":
            return self._app(environ, start_response)
        began = time.perf_counter()
        came = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = came if REQUEST_ID.fullmatch(came) else uuid7()
        headers = [
            ("Content-Type", "application/json"),
            ("X-Request-ID", request_id),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            # any page may call this: no cookie opens it, and the key's own origins are checked
            ("Access-Control-Allow-Origin", environ.get("HTTP_ORIGIN", "*")),
            ("Access-Control-Expose-Headers", "Retry-After, X-Request-ID"),
            ("Vary", "Origin"),
        ]
        try:
            status, answer = "200 OK", self._store(environ, headers, request_id)
        except QuadraError as error:
            self._intake.refusal_log.note(
                environ, request_id, path=PATH, status=error.status, code=error.code, reason=error.message[:300]
            )
            status, answer = _failed(error, request_id, headers)
        except Exception:
            logger.exception("http.request.failed", extra={"request_id": request_id})
            status, answer = _failed(QuadraError("Quadra made a mistake; it is in the log."), request_id, headers)
        headers.append(("Content-Length", str(len(answer))))
        start_response(status, headers)
        self._count(status[:3], time.perf_counter() - began)
        return [answer]

    def _count(self, status: str, seconds: float) -> None:
        child = self._children.get(status)
        if child is None:
            child = self._children[status] = http_requests_total.labels("POST", PATH, status)
        child.inc()
        self._duration.observe(seconds)

    def _store(self, environ: dict[str, Any], headers: list[tuple[str, str]], request_id: str) -> bytes:
        query = parse_qs(environ["QUERY_STRING"]) if environ.get("QUERY_STRING") else {}
        header, authorization = environ.get("HTTP_X_QUADRA_KEY", ""), environ.get("HTTP_AUTHORIZATION", "")
        in_query = query.get("key", [""])[0]
        plain = key_from(header, authorization, in_query)
        if plain:
            who = self._sender(environ, plain)  # a wrong key is said before the body is read
            events, size = self._read(environ, who.meter)
        else:
            events, size = self._read(environ, None)
            who = self._sender(environ, events.key or "")
        try:
            results = self._intake.store(events.wires, who, size, sent_at=events.sent_at)
        finally:
            headers += who.meter.headers() if who.meter else []
        if events.single and type(first := results[0]) is Refused:
            raise Invalid(first.message, code=first.code, fields=first.fields)
        every = query.get("results") == ["all"]
        return self._intake.aside(len(results) > FEW_EVENTS, self._summary, results, every, environ, request_id)

    def _summary(
        self, results: Sequence[Stored | Refused], every: bool, environ: dict[str, Any], request_id: str
    ) -> bytes:
        counts, listed, first = _counted(results, every)
        if first is not None:
            self._intake.refusal_log.note(
                environ,
                request_id,
                path=PATH,
                status=200,
                code=first.code,
                reason=first.message[:300],
                refused_events=counts["refused"],
            )
        return _encode({**counts, "results": listed})

    def _sender(self, environ: dict[str, Any], plain: str) -> Sender:
        return self._intake.senders.sender(environ, plain, door="http")

    def _read(self, environ: dict[str, Any], meter: Meter | None) -> tuple[body.Body, int]:
        """The events, and the bytes that they came in. `meter` counts for a known key; else the body must hold one."""
        raw = _received(environ)
        content_type = environ.get("CONTENT_TYPE") or ""
        ndjson = "ndjson" in content_type or "jsonl" in content_type
        senders = self._intake.senders
        try:
            raw = unpack(self._intake, raw, environ.get("HTTP_CONTENT_ENCODING", ""))
            small = len(raw) <= SMALL_BYTES
            if meter is None and (not small or senders.refusals.full(environ)):
                senders.look_for_key(environ, raw)
            events = body.quickly(raw) if len(raw) <= QUICK_BYTES and not ndjson else None
            if events is None:
                events = self._intake.aside(not small, partial(body.parse, raw, ndjson=ndjson))
        except (Invalid, TooLarge) as error:
            self._intake.unreadable(error, len(raw), meter, environ)
            raise
        return events, len(raw)


def unpack(intake: Intake, raw: bytes, encoding: str) -> bytes:
    """The plain body; a large one is unpacked on a thread. Raises `TooLarge`, `Invalid`."""
    if not encoding or encoding == "identity":
        return raw
    try:
        return body.unpack(raw, encoding, QUICK_BYTES)
    except TooLarge:
        return intake.aside(True, body.unpack, raw, encoding)


def _received(environ: dict[str, Any]) -> bytes:
    """The body as sent, with a length or in chunks. Raises `TooLarge` before more than the bound is in memory."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        if int(length) > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
        raw: bytes = environ["wsgi.input"].read(int(length))
        if len(raw) < int(length):
            raise Invalid("The body ended before its Content-Length.")
        return raw
    if length:
        raise Invalid("The Content-Length is not a number.")
    raw = environ["wsgi.input"].read(MAX_BODY_BYTES + 1) if environ.get("wsgi.input_terminated", True) else b""
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return raw


def _failed(error: QuadraError, request_id: str, headers: list[tuple[str, str]]) -> tuple[str, bytes]:
    if (seconds := getattr(error, "retry_after_seconds", None)) is not None:
        headers.append(("Retry-After", str(seconds)))
    if error.status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    return f"{error.status} {error.code}", _encode({"error": {**error.as_dict(), "request_id": request_id}})


def _counted(
    results: Sequence[Stored | Refused], everything: bool
) -> tuple[dict[str, int], list[dict[str, Any]], Refused | None]:
    """How many of each, what is told one by one, and the first that was refused."""
    duplicates = refused = 0
    listed: list[dict[str, Any]] = []
    first: Refused | None = None
    for index, result in enumerate(results):
        if type(result) is Refused:
            refused += 1
            first = first or result
            why = {"code": result.code, "fields": result.fields, "message": result.message}
            listed.append({"index": index, "event_id": result.event_id, "status": "refused", **why})
            continue
        event_id, batch_id, duplicate = result
        duplicates += duplicate
        if everything:
            status = "duplicate" if duplicate else "stored"
            listed.append({"index": index, "event_id": event_id, "status": status, "batch_id": batch_id})
    stored = len(results) - duplicates - refused
    return {"stored": stored, "duplicates": duplicates, "refused": refused}, listed, first

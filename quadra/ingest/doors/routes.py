"""HTTP ingest. These routes stay on the event loop: they wait for the writer and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, g, request

from quadra.core.errors import Invalid, TooLarge
from quadra.core.web.http import MAX_BODY_BYTES, bound_body, runtime
from quadra.ingest.accept import Sender
from quadra.ingest.doors import body
from quadra.ingest.doors.events import PATH, key_from, unpack
from quadra.ingest.doors.intake import SMALL_BYTES, Intake
from quadra.ingest.doors.quota import Meter
from quadra.ingest.doors.tickets import Stored
from quadra.ingest.kinds import UNNUMBERED
from quadra.ingest.sdks import foreign, matomo, plausible, posthog, segment, umami
from quadra.ingest.wire import MAX_EVENT_BYTES, TOO_LARGE, Refused, from_dict

blueprint = Blueprint("ingest", __name__, static_folder=None)

TYPED_DOORS = {
    "/api/analytics/user/events/track": ("event", None),
    "/api/analytics/user/features/track": ("feature", None),
    "/api/analytics/user/funnels/track": ("funnel", None),
    "/api/analytics/user/funnels/complete": ("funnel", "funnel_completed"),
    "/api/analytics/user/journeys/track": ("journey", None),
    "/api/analytics/user/journeys/complete": ("journey", "journey_completed"),
    "/api/analytics/user/satisfaction/record": ("survey", None),
}
"""path -> (kind of the event it makes, event type where it is not the kind's own)"""

PATHS = {PATH, *TYPED_DOORS, *segment.PATHS, *posthog.PATHS, umami.PATH, plausible.PATH, *matomo.PATHS}
"""Paths that are served on the event loop."""

T = TypeVar("T")


def intake() -> Intake:
    return runtime().kept(Intake)


def plain_key() -> str:
    """The write key of the current request, wherever it was put. Raises `Unauthorised` for a broken header."""
    headers = request.headers
    in_query = request.args.get("key", "")
    return key_from(headers.get("X-Quadra-Key", ""), headers.get("Authorization", ""), in_query)


def sender(plain: str, door: str) -> Sender:
    """Whoever sends the current request. Raises `Unauthorised`, `Forbidden`, `Unavailable`."""
    who = intake().senders.sender(request.environ, plain, door=door)
    g.ingest_meter = who.meter
    return who


def raw_body() -> bytes:
    """The request's body, unpacked. Raises `TooLarge`, `Invalid`."""
    bound_body(MAX_BODY_BYTES)
    return unpack(intake(), request.get_data(cache=False), request.headers.get("Content-Encoding", ""))


@contextmanager
def reading(who: Sender | None) -> Iterator[None]:
    """Around the reading of a body: a refusal counts for the key, or for the address of a stranger.

    Raises `Limited` for a stranger who was refused too often.
    """
    try:
        yield
    except (Invalid, TooLarge) as error:
        intake().unreadable(error, request.content_length or 0, who.meter if who else None, request.environ)
        raise


def read_off_loop(size: int, function: Callable[..., T], *args: Any) -> T:
    """Call `function` here for a small body, else on a thread."""
    return intake().aside(size > SMALL_BYTES, function, *args)


@blueprint.after_request
def allow_origins(response: Response) -> Response:
    """Any page may call these routes: no cookie opens them, and a key's own origins were checked before."""
    response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
    response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
    response.headers["Vary"] = "Origin"
    meter: Meter | None = g.get("ingest_meter")
    response.headers.extend(meter.headers() if meter else [])
    return response


@blueprint.route(PATH, methods=["OPTIONS"])
def preflight() -> Response:
    return Response(status=204, headers=foreign.cors_preflight())


def require(result: Stored | Refused) -> Stored:
    """Of a request with one event. Raises `Invalid` where it can never become valid."""
    if isinstance(result, Refused):
        raise Invalid(result.message, code=result.code, fields=result.fields)
    return result


def _typed_door(path: str, kind: str, event_type: str | None) -> None:
    def track() -> Response:
        plain = plain_key()
        who = sender(plain, "http") if plain else None  # a wrong key is said before the body is read
        with reading(who):
            raw = raw_body()
            if len(raw) > MAX_EVENT_BYTES:
                raise Invalid("The event cannot be stored.", fields={"event": TOO_LARGE})
            who = who or sender(body.key_in(raw) or "", "http")
            wire = read_off_loop(len(raw), _typed, raw, request.args.to_dict(), kind, event_type)
        stored = require(*intake().store([wire], who, len(raw)))
        answer = {"success": True, "event_id": stored.event_id, "duplicate": stored.duplicate}
        return Response(msgspec.json.encode(answer), content_type="application/json")

    name = path.removeprefix("/api/analytics/user/").replace("/", "_")
    # without Flask's own answer to OPTIONS, which comes first and does not say what a page may send
    blueprint.add_url_rule(path, name, track, methods=["POST"], provide_automatic_options=False)
    blueprint.add_url_rule(path, f"{name}_preflight", preflight, methods=["OPTIONS"])


def _typed(raw: bytes, asked: dict[str, str], kind: str, event_type: str | None) -> Any:
    """The event of a typed door, or a `Refused`. Raises `Invalid`."""
    try:
        decoded = msgspec.json.decode(raw) if raw.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The body is not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise Invalid("The body must be a JSON object.")
    fields = {**asked, **decoded, "kind": kind}
    fields.pop("key", None)
    try:
        return from_dict(_completed(fields, event_type) if event_type else fields)
    except Refused as refused:
        return refused


def _completed(fields: dict[str, Any], event_type: str) -> dict[str, Any]:
    """A run's end is an event of its own: stage or step `completed`, which no sender has to number."""
    if event_type == "funnel_completed":
        end: dict[str, Any] = {"stage": "completed", "stage_order": UNNUMBERED}
    else:
        end = {"step_name": "completed", "step_order": UNNUMBERED}
    if not (fields.get("session_id") or fields.get("sessionId")):
        raise Refused("invalid", {"session_id": "required"})
    return {**end, **fields, "event_type": event_type, "success": fields.get("success", True)}


for _path, (_kind, _event_type) in TYPED_DOORS.items():
    _typed_door(_path, _kind, _event_type)

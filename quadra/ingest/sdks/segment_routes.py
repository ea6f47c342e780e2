"""The doors that Segment's SDKs knock at. On the event loop, like all ingest; see `routes`."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from quadra.core.errors import Invalid
from quadra.ingest.doors.envelope import KEY_NAMES, Opened, open_batch, open_single, read_all
from quadra.ingest.doors.events import EVENT_OVERHEAD_BYTES
from quadra.ingest.doors.intake import SMALL_BYTES
from quadra.ingest.doors.routes import (
    allow_origins,
    intake,
    plain_key,
    raw_body,
    read_off_loop,
    reading,
    refused_response,
    sender,
)
from quadra.ingest.sdks import foreign, segment
from quadra.ingest.wire import Refused

blueprint = Blueprint("ingest_segment", __name__)
blueprint.after_request(allow_origins)


def receive() -> Response:
    """Store a message or a batch; the answer waits until they are durable."""
    plain = plain_key()
    who = sender(plain, "segment") if plain else None
    name = request.path.rpartition("/")[2]
    path_type = name if name in segment.TYPES else None
    with reading(who):
        raw = raw_body()
        if who is None and len(raw) > SMALL_BYTES:
            intake().look_for_key(request.environ, raw)
        opened: Opened = read_off_loop(len(raw), _opened, raw, path_type)
        who = who or sender(_key_in(opened), "segment")
    shared = opened.beside.get("context") if opened.is_batch else None

    def message(found: Any) -> Any:
        return segment.under(shared, found) if path_type is None else {**found, "type": path_type}

    wires, senders = read_off_loop(
        len(raw),
        read_all,
        opened,
        lambda found: segment.read(message(found)),
        lambda found, who: segment.sender_of(message(found), who),
        who,
    )
    sent_at = foreign.sent(opened.beside.get("sentAt"))
    outcomes: list[Any] = intake().store(wires, senders, len(raw) + EVENT_OVERHEAD_BYTES * len(wires), sent_at)
    if not opened.is_batch and isinstance(outcomes[0], Refused):
        return refused_response(outcomes[0])
    return Response(
        msgspec.json.encode({"success": True, **foreign.refusals(outcomes)}), content_type="application/json"
    )


def _opened(raw: bytes, path_type: str | None) -> Opened:
    opened = open_batch(raw) if path_type is None else open_single(raw)
    if path_type is None and not opened.is_batch:
        raise Invalid('The body must be a JSON object with a list "batch".')
    return opened


def _key_in(opened: Opened) -> str:
    return next((found for name in KEY_NAMES if isinstance(found := opened.beside.get(name), str)), "")


def preflight() -> Response:
    return Response(status=204, headers=foreign.cors_preflight())


for _path in segment.PATHS:
    blueprint.add_url_rule(_path, f"{_path[4:]}", receive, methods=["POST"], provide_automatic_options=False)
    blueprint.add_url_rule(_path, f"{_path[4:]}_preflight", preflight, methods=["OPTIONS"])

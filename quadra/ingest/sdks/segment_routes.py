"""The doors that Segment's SDKs knock at. On the event loop, like all ingest; see `routes`."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from quadra.core.errors import Invalid
from quadra.ingest.doors.envelope import KEY_NAMES, Opened, open_batch, open_single
from quadra.ingest.doors.routes import allow_origins
from quadra.ingest.sdks import foreign, receiving, segment

blueprint = Blueprint("ingest_segment", __name__)
blueprint.after_request(allow_origins)


def receive() -> Response:
    """Store a message or a batch; the answer waits until they are durable."""
    name = request.path.rpartition("/")[2]
    path_type = name if name in segment.TYPES else None
    incoming = receiving.receive("segment", lambda raw: _opened(raw, path_type), _key_in)
    opened = incoming.opened
    shared = opened.beside.get("context") if opened.is_batch else None

    def message(item: Any) -> Any:
        return segment.under(shared, item) if path_type is None else {**item, "type": path_type}

    results = receiving.store(
        incoming,
        lambda item: segment.read(message(item)),
        lambda item, who: segment.sender_of(message(item), who),
        foreign.sent(opened.beside.get("sentAt")),
    )
    answer = {"success": True, **foreign.refusals(results)}
    return Response(msgspec.json.encode(answer), content_type="application/json")


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

"""The doors that Segment's SDKs knock at. On the event loop, like all ingest; see `routes`."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from quadra.core.errors import Invalid
from quadra.ingest import foreign, segment
from quadra.ingest.routes import allow_origins, intake, plain_key, raw_body, refused_response, sender
from quadra.ingest.wire import Refused

blueprint = Blueprint("ingest_segment", __name__)
blueprint.after_request(allow_origins)

KEY_NAMES = ("writeKey", "write_key", "apiKey", "api_key")


def receive() -> Response:
    """Store a message or a batch; the answer waits until they are durable."""
    raw = raw_body()
    body: Any = foreign.decode(raw)
    name = request.path.rpartition("/")[2]
    path_type = name if name in segment.TYPES else None
    found, is_batch = segment.messages(body, path_type)
    if not isinstance(body, dict) or (is_batch and not isinstance(body.get("batch"), list)):
        raise Invalid(
            'The body must be a JSON object with a list "batch".' if is_batch else "The body must be an object."
        )
    in_body = next((body[name] for name in KEY_NAMES if isinstance(body.get(name), str)), None)
    who = sender(plain_key(in_body), "segment")
    messages = foreign.bounded(found)
    wires = [segment.read(message) for message in messages]
    senders = [segment.sender_of(message, who) for message in messages]
    outcomes: list[Any] = intake().store(wires, senders, len(raw) + 600 * len(wires), foreign.sent(body.get("sentAt")))
    if not is_batch and isinstance(outcomes[0], Refused):
        return refused_response(outcomes[0])
    return Response(
        msgspec.json.encode({"success": True, **foreign.refusals(outcomes)}), content_type="application/json"
    )


def preflight() -> Response:
    return Response(status=204, headers=foreign.cors_preflight())


for _path in segment.PATHS:
    blueprint.add_url_rule(_path, f"{_path[4:]}", receive, methods=["POST"], provide_automatic_options=False)
    blueprint.add_url_rule(_path, f"{_path[4:]}_preflight", preflight, methods=["OPTIONS"])

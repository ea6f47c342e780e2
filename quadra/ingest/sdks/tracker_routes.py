"""The doors that the trackers of Umami, Plausible and Matomo knock at. On the event loop, like all ingest; see `routes`.

These trackers send no id of an event and never send one again, so each request is stored once under an id of its own; and
most send no id of a visitor, who is known by a hash that changes each day (`visitors`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from quadra.ingest.accept import Sender
from quadra.ingest.doors.envelope import first, open_single
from quadra.ingest.doors.routes import allow_origins, intake
from quadra.ingest.sdks import foreign, matomo, plausible, receiving, umami
from quadra.ingest.wire import Refused

blueprint = Blueprint("ingest_trackers", __name__)
blueprint.after_request(allow_origins)

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one dot, for trackers that are an image."""
PING = re.compile(rb"[?&\"]ping[=\"]")
SenderOf = Callable[[Any, Sender], Sender]


@blueprint.post(umami.PATH, provide_automatic_options=False)
def receive_umami() -> Response:
    incoming = receiving.receive("umami", open_single, lambda opened: umami.key_of(opened.beside))

    def said(message: Any) -> dict[str, str]:
        payload = umami.payload_of(message)
        return {"agent": foreign.word(payload.get("userAgent"), 512), "address": foreign.word(payload.get("ip"))}

    receiving.store(incoming, umami.read, _sender_of(incoming.sender, said), None)
    return Response(msgspec.json.encode({"ok": True}), content_type="application/json")


@blueprint.post(plausible.PATH, provide_automatic_options=False)
def receive_plausible() -> Response:
    incoming = receiving.receive(
        "plausible", open_single, lambda opened: plausible.key_of(opened.beside), key_in_raw=plausible.key_in_raw
    )
    receiving.store(incoming, plausible.read, _sender_of(incoming.sender, lambda _event: {}), None)
    return Response("ok", 202, content_type="text/plain; charset=utf-8")


def receive_matomo() -> Response:
    """One event, from the address or a form, or several in a list. Pings of visitors who stay are not kept."""
    asked = request.args.to_dict()
    incoming = receiving.receive(
        "matomo",
        lambda raw: matomo.open_request(raw, asked),
        lambda opened: matomo.key_of(first(opened)),
        in_query=asked.get("idsite", ""),
        key_in_raw=matomo.key_in_raw,
    )
    opened = incoming.opened
    key = matomo.key_of(first(opened)) if opened.is_batch else matomo.key_of(opened.beside)

    def said(item: Any) -> dict[str, str]:
        try:
            sent = matomo.fields_of(item)
        except Refused:
            return {}
        return {"agent": foreign.word(sent.get("ua"), 512), "address": foreign.word(sent.get("cip"))}

    number = len(opened.items)
    sender_of = _sender_of(incoming.sender, said, foreign.word(opened.beside.get("token_auth")))
    if not opened.is_batch:
        if matomo.is_kept(opened.beside):
            receiving.store(incoming, lambda item: matomo.read(item, key), sender_of, None)
        return _seen(opened.beside)
    kept = opened._replace(items=[item for item in opened.items if not PING.search(item)])
    results = receiving.store(incoming._replace(opened=kept), lambda item: matomo.read(item, key), sender_of, None)
    told = foreign.refusals(results)
    invalid = len(told.get("refused", ()))
    answer = {"status": "success", "tracked": number - invalid, "invalid": invalid, **told}
    return Response(msgspec.json.encode(answer), content_type="application/json")


def _seen(asked: dict[str, Any]) -> Response:
    if asked.get("send_image") == "0":
        return Response(status=204)
    return Response(PIXEL, content_type="image/gif", headers={"Cache-Control": "no-store"})


def _sender_of(sender: Sender, said: Callable[[Any], dict[str, str]], token: str = "") -> SenderOf:
    """The visitor that an item of the current request speaks of; may be asked on another thread."""
    senders, environ = intake().senders, dict(request.environ)
    trusted = senders.trusts(sender, environ, token)
    return lambda item, who: senders.speaking_of(who, environ, trusted=trusted, **said(item))


def preflight() -> Response:
    return Response(status=204, headers=foreign.cors_preflight())


for _path in matomo.PATHS:
    _name = _path.strip("/").replace(".", "_")
    blueprint.add_url_rule(_path, _name, receive_matomo, methods=["GET", "POST"], provide_automatic_options=False)
for _path in (umami.PATH, plausible.PATH, *matomo.PATHS):
    blueprint.add_url_rule(_path, f"preflight_{_path}".replace(".", "_"), preflight, methods=["OPTIONS"])

"""The doors that PostHog's SDKs knock at: events, and the questions they ask before they send any.

Events and flags stay on the event loop, like all ingest. Every path is there with and without its last slash: a redirect
would lose the body.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import parse_qs

import msgspec
from flask import Blueprint, Response, abort, request

from quadra.core import clock
from quadra.core.errors import Invalid, TooLarge
from quadra.core.web.limits import limiter
from quadra.ingest.doors import body
from quadra.ingest.doors.envelope import first, open_batch
from quadra.ingest.doors.routes import allow_origins
from quadra.ingest.sdks import foreign, posthog, receiving

blueprint = Blueprint("ingest_posthog", __name__)
blueprint.after_request(allow_origins)

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
COMPRESSIONS = ("", "gzip", "gzip-js", "base64")
MAX_FORM_BYTES = 2**20
"""Each escape of a form becomes an object of its own while it is read."""
GZIP = b"\x1f\x8b"


def receive() -> Response:
    """Store an event or a batch; the answer waits until they are durable."""
    compression = request.args.get("compression", "")
    incoming = receiving.receive(
        "posthog",
        open_batch,
        lambda opened: posthog.key_of(opened.beside, first(opened)),
        unwrap=lambda raw: _plain(raw, compression),
        in_query=request.args.get("token") or request.args.get("api_key") or "",
    )
    received = clock.now_us()
    sent_at = incoming.opened.beside.get("sent_at")
    for name in ("sent_at", "_"):  # posthog-js writes its clock into the address
        sent_at = request.args.get(name) if sent_at is None else sent_at
    results = receiving.store(
        incoming, lambda item: posthog.read(item, received), posthog.sender_of, foreign.sent(sent_at)
    )
    return _json({"status": 1, **foreign.refusals(results)})


def flags() -> Response:
    """No flag is set for anybody; `?config=true` asks for the configuration too."""
    config = posthog.CONFIG if "decide" in request.path or request.args.get("config") else {}
    return _json({**config, **posthog.NO_FLAGS})


def preflight(token: str = "") -> Response:
    return Response(status=204, headers=foreign.cors_preflight())


@blueprint.get("/array/<token>/config", provide_automatic_options=False)
@limiter.exempt
def config(token: str) -> Response:
    """The configuration that posthog-js starts with."""
    _check(token)
    return _json(posthog.CONFIG)


@blueprint.get("/array/<token>/config.js", provide_automatic_options=False)
@limiter.exempt
def config_script(token: str) -> Response:
    """The same as a script, for a page that may load scripts only."""
    _check(token)
    made = msgspec.json.encode({"config": {"token": token, **posthog.CONFIG}, "siteApps": []}).decode()
    script = f"(w=>{{(w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{{}})[{token!r}]={made}}})(window);\n"
    return Response(script, content_type="text/javascript; charset=utf-8")


def _check(token: str) -> None:
    # it is written into a script: nothing but the letters of a key
    if not TOKEN.fullmatch(token):
        abort(404)


def _plain(raw: bytes, compression: str) -> bytes:
    """The JSON text of a body: gzip that no header names, a form's `data`, base64. Raises `Invalid`, `TooLarge`."""
    if compression not in COMPRESSIONS:
        raise Invalid(
            f"The compression {compression[:50]!r} is not known; send gzip-js, base64 or plain.", code="encoding"
        )
    raw = _gunzipped(raw)
    if raw.startswith(b"data=") or b"&data=" in raw[:200]:
        if len(raw) > MAX_FORM_BYTES:
            raise TooLarge(f"The form is larger than {MAX_FORM_BYTES} bytes; send JSON.")
        try:
            form = parse_qs(raw.decode(errors="replace"), max_num_fields=20)
        except ValueError as error:
            raise Invalid(f"The form cannot be read: {error}.") from error
        raw = form.get("data", [""])[0].encode()
        compression = compression or form.get("compression", [""])[0]
    if compression == "base64" or raw.lstrip()[:1] not in (b"{", b"["):
        raw = _gunzipped(_unbase64(raw))
    return raw


def _gunzipped(raw: bytes) -> bytes:
    return body.unpack(raw, "gzip") if raw.startswith(GZIP) else raw


def _unbase64(raw: bytes) -> bytes:
    text = raw.strip().replace(b" ", b"+").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"The body is neither JSON nor base64: {error}.", code="encoding") from error


def _json(answer: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(answer), content_type="application/json")


for _path in posthog.PATHS:
    _name = _path.strip("/").replace("/", "_") + ("_slash" if _path.endswith("/") else "")
    if _path.rstrip("/") in posthog.EVENT_PATHS:
        blueprint.add_url_rule(_path, _name, receive, methods=["POST"], provide_automatic_options=False)
    else:
        blueprint.add_url_rule(_path, _name, flags, methods=["GET", "POST"], provide_automatic_options=False)
    blueprint.add_url_rule(_path, f"{_name}_preflight", preflight, methods=["OPTIONS"])
for _path in ("/array/<token>/config", "/array/<token>/config.js"):
    blueprint.add_url_rule(_path, f"{_path[15:].replace('.', '_')}_preflight", preflight, methods=["OPTIONS"])

"""`POST /mcp`: tools for assistants, with a read key. Who has it sees its project, within the limits of every read key."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from flask import Response, request
from msgspec import Struct

from quadra.accounts.access import caller, require_project
from quadra.core.api.doors import Doors, Other
from quadra.core.api.openapi import Answer
from quadra.core.errors import Forbidden, Invalid
from quadra.core.web.http import runtime

doors = Doors("assistants", __name__)

PROTOCOL = "quadra.assistants.protocol"
KEPT = ("content-type", "allow", "mcp-protocol-version")
"""Headers of an answer that go out."""


class RpcAnswer(Struct, kw_only=True):
    """Of JSON-RPC; a request that cannot be answered has an `error` instead of a `result`."""

    jsonrpc: Literal["2.0"]
    id: int | str
    result: dict[str, Any]


class RpcProblem(Struct, kw_only=True):
    code: int
    message: str
    data: Any = None


class RpcRefusal(Struct, kw_only=True):
    """Of JSON-RPC: what came is no message."""

    jsonrpc: Literal["2.0"]
    id: int | str | None
    error: RpcProblem


REFUSAL = RpcRefusal(jsonrpc="2.0", id=None, error=RpcProblem(code=-32700, message="Parse error"))


@doors(
    "POST",
    "/mcp",
    title="Tools for assistants",
    says="The Model Context Protocol over streamable HTTP, without sessions: one JSON-RPC message in, one out. The project is "
    "the key's. Needs `Accept: application/json, text/event-stream`. docs/assistants.md sets clients up.",
    needs="viewer",
    answers=Answer(says="The answer to a request.", shape=RpcAnswer, example={"jsonrpc": "2.0", "id": 1, "result": {}}),
    others={
        400: Other[Struct](
            says="What came is no message of the protocol.",
            when=lambda _answer: False,  # the protocol makes it
            shape=RpcRefusal,
            example=REFUSAL,
        )
    },
    lenient=True,
    refuses=(404, 503),
)
def answer_message() -> Response:
    if caller().key is None:
        raise Forbidden("Send a read key as Authorization: Bearer qk_….")
    project = require_project(None, "viewer")
    protocol = import_module(PROTOCOL)  # by whom it is asked for: it brings a library of 30 MB
    status, headers, body = protocol.answer_http(
        runtime(), project, request.method, list(request.headers.items()), request.get_data()
    )
    if status == 406 or (status >= 400 and not body.startswith(b"{")):
        wanted = "Content-Type: application/json, and Accept: application/json, text/event-stream"
        raise Invalid("This is no message of the protocol.", fields={"headers": wanted})
    response = Response(body, status)
    del response.headers["Content-Type"]
    for name, value in headers:
        if name.lower() in KEPT:
            response.headers[name] = value
    return response

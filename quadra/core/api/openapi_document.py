"""`GET /api/openapi.json`: what all rooms say of their doors, as one OpenAPI 3.1 document.

What every door has in common stands here once: who may call, the one shape of errors, and the headers of each answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app

from quadra import __version__
from quadra.core.api.openapi import WRITE_KEY, Answer, Body, Door, Group, Param, Schema, SocketEvent
from quadra.core.api.openapi_examples import curl
from quadra.core.api.openapi_shapes import Shapes
from quadra.core.web.http import runtime
from quadra.core.web.limits import unlimited
from quadra.core.web.made_once import MadeOnce

blueprint = Blueprint("openapi", __name__)
ANSWER = "quadra.openapi.answer"

SAYS = """\
Times in answers are ISO 8601 in UTC. Requests take camelCase and snake_case; an empty parameter in the address counts
as left out, and one that a door does not know is refused by name, but for doors of ingest, probes, pages and share
links. Every answer carries `X-Request-ID`, taken over from the request where that had a valid one. Errors have one
shape everywhere: a `code` for programs, a `message` for people, and the `fields` that are wrong.

`429` and `503` mean *not now*: send it again after `Retry-After` seconds, with the same ids. `400`, `401`, `403` and
`413` mean *never like this*."""


ERRORS = {
    400: ("Invalid", "invalid", "It can never become valid as it is; `fields` says what is wrong."),
    401: ("Unauthorised", "unauthorised", "Nobody is logged in, or the key is not known."),
    403: (
        "Forbidden",
        "forbidden",
        "You may not: by your role, the key's scope or origins, or for want of the CSRF token.",
    ),
    404: ("NotFound", "not_found", "There is no such thing, or it is not yours to see."),
    409: ("Conflict", "conflict", "The thing is not in a state that allows this."),
    413: ("TooLarge", "too_large", "The request is larger than Quadra takes."),
    429: ("Limited", "limited", "Too many requests; try again after `Retry-After` seconds."),
    503: ("Unavailable", "unavailable", "Something is away for the moment and nothing was stored; send it again."),
}
"""status -> (component, code, what it means)"""

SCHEMES: dict[str, Schema] = {
    "writeKey": {"type": "apiKey", "in": "header", "name": "X-Quadra-Key", "description": "A write key."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A read or an admin key; for ingest a write key."},
    "basic": {"type": "http", "scheme": "basic", "description": "A write key as user name, as Segment's SDKs send it."},
    "queryKey": {"type": "apiKey", "in": "query", "name": "key", "description": "A write key, for beacons only."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "quadra_session",
        "description": "Set by logging in; by https it is named `__Host-quadra_session`.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "With a session, for every method but GET: `csrf_token` of the login's answer.",
    },
}
NEEDS = {
    "nobody": "Open to everybody",
    "write key": "Needs a write key",
    "viewer": "Needs a viewer, or a read or admin key",
    "editor": "Needs an editor, or an admin key",
    "admin": "Needs an admin, or an admin key",
}
"""Who may use a door, in words."""
SECONDS = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}}
REQUEST_ID = {"description": "Stands in Quadra's log too.", "required": True, "schema": {"type": "string"}}


def set_up(app: Flask, groups: Sequence[Group]) -> None:
    """Serve the document that `groups` make."""
    app.extensions["quadra.openapi"] = tuple(groups)
    app.extensions[ANSWER] = MadeOnce(lambda: orjson.dumps(current_document()).decode(), "application/json")
    app.register_blueprint(blueprint)


@blueprint.get("/api/openapi.json")
def show() -> Response:
    """The description; any page may read it."""
    made: MadeOnce = current_app.extensions[ANSWER]
    response = made.response()
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def current_document() -> dict[str, Any]:
    """The document of the current app. Never with the host of a request, which its sender may have made up."""
    settings = runtime().settings
    address = settings.public_url.rstrip("/")
    return document(current_app.extensions["quadra.openapi"], address, settings.socket_path)


def document(groups: Sequence[Group], address: str, socket_path: str = "socket.io") -> dict[str, Any]:
    """The whole document, as plain data. Without an address it is relative, and examples say $QUADRA_URL."""
    server, address = address or "/", address or "$QUADRA_URL"
    shapes = Shapes(groups)
    paths: dict[str, dict[str, Any]] = {}
    for group in groups:
        for door in group.doors:
            paths.setdefault(door.path, {})[door.method.lower()] = _operation(door, group, shapes, address)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Quadra", "version": __version__, "description": SAYS},
        "servers": [{"url": server}],
        "tags": [{"name": group.title, "description": _tag(group)} for group in groups],
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "responses": {name: _error(status) for status, (name, _code, _says) in ERRORS.items()},
            "headers": {"RequestId": REQUEST_ID, "RetryAfter": SECONDS},
            "securitySchemes": SCHEMES,
        },
        "x-socketio": _sockets(groups, shapes, socket_path),
    }


def _operation(door: Door, group: Group, shapes: Shapes, address: str) -> Schema:
    made: Schema = {
        "operationId": door.id,
        "summary": door.title,
        "description": _says(door),
        "tags": [group.title],
        "security": _security(door),
        "x-needs": door.needs,
        "parameters": [_parameter(param, door, shapes) for param in door.params],
        "responses": {str(status): _answer(answer, shapes) for status, answer in door.answers.items()},
        "x-codeSamples": [{"lang": "curl", "source": curl(door, address)}],
    }
    if door.also:
        made["x-also"] = list(door.also)
    if door.body is not None:
        made["requestBody"] = _body(door.body, shapes)
    for status in _refusals(door):
        made["responses"].setdefault(str(status), {"$ref": f"#/components/responses/{ERRORS[status][0]}"})
    return made


def _says(door: Door) -> str:
    """What the door does, who may use it and where else it is, for viewers that show no extension."""
    also = f" Also at {', '.join(f'`{path}`' for path in door.also)}." if door.also else ""
    return f"{door.says}\n\n{NEEDS[door.needs]}.{also}".strip()


def _tag(group: Group) -> str:
    """The group and its Socket.IO events. OpenAPI has no place for those, so viewers show them as text."""
    return "\n\n".join([group.says, *(_event(event) for event in group.sockets)]).strip()


def _event(event: SocketEvent) -> str:
    way = "client → server" if event.to_server else "server → client"
    example = "" if event.example is None else f"\n\n```json\n{_pretty(event.example)}\n```"
    return f"**`{event.name}`** ({way}, namespace `{event.namespace}`)\n\n{event.says}{example}"


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _security(door: Door) -> list[dict[str, list[str]]]:
    if door.needs == WRITE_KEY:
        return [{"writeKey": []}, {"bearer": []}, {"basic": []}, {"queryKey": []}]
    if not door.for_role:
        return []
    return [{"bearer": []}, {"session": []} if door.method == "GET" else {"session": [], "csrf": []}]


def _refusals(door: Door) -> list[int]:
    statuses = {400, *door.refuses}  # no address may hold a NUL character
    statuses |= {413} if door.body else set()
    statuses |= {401, 403, 503} if door.for_role or door.needs == WRITE_KEY else set()
    statuses |= set() if unlimited(door.path) else {429}
    return sorted(statuses)


def _parameter(param: Param, door: Door, shapes: Shapes) -> Schema:
    inside = f"{{{param.name}}}" in door.path
    made: Schema = (
        {"name": param.name, "in": "path", "required": True} if inside else {"name": param.name, "in": "query"}
    )
    made |= {"description": param.says, "schema": shapes(param.shape)}
    return made if param.example is None else made | {"example": param.example}


def _body(body: Body, shapes: Shapes) -> Schema:
    content = {media: {"schema": shapes(shape)} for media, shape in body.shapes.items()}
    if body.example is not None:
        next(iter(content.values()))["example"] = body.example
    return {"required": body.required, "content": content}


def _answer(answer: Answer, shapes: Shapes) -> Schema:
    made: Schema = {"description": answer.says, "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}}
    if answer.shape is not None:
        content = {"schema": shapes(answer.shape)}
        made["content"] = {answer.media: content if answer.example is None else content | {"example": answer.example}}
        made["content"] |= {media: {"schema": {}} for media in answer.other_media}
    return made


def _error(status: int) -> Schema:
    _name, code, says = ERRORS[status]
    headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    if status in (429, 503):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    problem = {"code": code, "message": says.split(";")[0].replace("`", ""), "fields": {}, "request_id": "0198…"}
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": {"error": problem}}
    return {"description": says, "headers": headers, "content": {"application/json": content}}


def _sockets(groups: Sequence[Group], shapes: Shapes, path: str) -> Schema:
    """The events of Socket.IO, which OpenAPI has no place for."""
    spaces: dict[str, Schema] = {}
    for title, event in ((group.title, event) for group in groups for event in group.sockets):
        space = spaces.setdefault(event.namespace, {"client_to_server": {}, "server_to_client": {}})
        made = {"description": event.says, "payload": shapes(event.payload), "acknowledgement": shapes(event.answer)}
        made |= {"example": event.example, "x-group": title}
        direction = "client_to_server" if event.to_server else "server_to_client"
        space[direction][event.name] = {name: value for name, value in made.items() if value is not None}
    return {"path": f"/{path}", "namespaces": spaces}

"""`GET /api/docs`: the description of the API as a page. It is made of the document alone and loads nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Blueprint, render_template
from markupsafe import Markup, escape

from quadra.core.openapi_document import current_document
from quadra.dashboard.docs_shapes import Reader, Row, Variant
from quadra.ingest.kinds import KINDS
from quadra.ingest.openapi_events import component

blueprint = Blueprint("docs", __name__)

NEEDS = {
    "nobody": "Open to everybody",
    "write key": "Needs a write key",
    "viewer": "Needs a viewer, or a read or admin key",
    "editor": "Needs an editor, or an admin key",
    "admin": "Needs an admin, or an admin key",
}
MARKS = (
    (r"`([^`]+)`", r"<code>\1</code>"),
    (r"\*\*([^*]+)\*\*", r"<strong>\1</strong>"),
    (r"\*([^*]+)\*", r"<em>\1</em>"),
)
LINKED = frozenset({"AnyEvent", "SocketEvent", *(component(kind) for kind in KINDS)})
"""Shapes that are long and come often: the page shows them once."""


@blueprint.get("/api/docs")
def show() -> str:
    """The page."""
    document = current_document()
    reader = Reader(document["components"]["schemas"], LINKED)
    return render_template(
        "api_docs.html",
        info=document["info"],
        address=document["servers"][0]["url"],
        schemes=document["components"]["securitySchemes"],
        groups=list(_groups(document, reader)),
        common=_common(document, reader),
        kinds=list(_kinds(document, reader)),
        errors=[_refusal(status, found) for status, found in _refusals(document)],
        problem=pretty(document["components"]["responses"]["Invalid"]["content"]["application/json"]["example"]),
    )


@blueprint.app_template_filter()
def prose(text: str) -> Markup:
    """Text with `code`, **strong** and *stressed* words."""
    found = str(escape(text))
    for pattern, html in MARKS:
        found = re.sub(pattern, html, found)
    return Markup(found)


def pretty(value: Any) -> str:
    return "" if value is None else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _groups(document: dict[str, Any], reader: Reader) -> Iterator[dict[str, Any]]:
    for tag in document["tags"]:
        operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        yield {
            "id": slug(tag["name"]),
            "title": tag["name"],
            "says": tag["description"],
            "doors": [_door(path, method, operation, document, reader) for path, method, operation in operations],
            "sockets": [
                _socket(name, event, namespace, to_server, reader)
                for namespace, name, event, to_server in _events(document)
                if tag["name"] == event["x-group"]
            ],
        }


def _door(path: str, method: str, operation: Mapping[str, Any], document: Any, reader: Reader) -> dict[str, Any]:
    answers, errors = [], []
    for status, found in operation["responses"].items():
        if "$ref" in found:
            errors.append(_refusal(status, document["components"]["responses"][found["$ref"].rpartition("/")[2]]))
        else:
            answers.append({"status": status, **_content(found, reader)})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "also": operation.get("x-also", ()),
        "title": operation["summary"],
        "says": operation["description"],
        "needs": NEEDS[operation["x-needs"]],
        "params": [
            Row(param["name"], reader.type(param["schema"]), param["required"], param["description"])
            for param in operation["parameters"]
        ],
        "body": _content(operation["requestBody"], reader) if "requestBody" in operation else None,
        "curl": operation["x-codeSamples"][0]["source"],
        "answers": answers,
        "errors": errors,
    }


def _content(found: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """A body or an answer: what it is, in which shapes, and an example."""
    content = found.get("content", {})
    variants: list[Variant] = []
    example = None
    for media in content.values():
        if media["schema"].get("type") != "string":
            variants += reader.variants(media["schema"])
        example = media.get("example") if example is None else example
    return {
        "says": found.get("description", ""),
        "media": list(content),
        "variants": [variant for variant in variants if variant.rows or variant.link],
        "example": pretty(example),
    }


def _socket(name: str, event: Any, namespace: str, to_server: bool, reader: Reader) -> dict[str, Any]:
    answer = event.get("acknowledgement")
    return {
        "id": slug(f"socket {namespace} {name}"),
        "name": name,
        "namespace": namespace,
        "to_server": to_server,
        "says": event["description"],
        "payload": _content({"content": {"": {"schema": event["payload"], "example": event.get("example")}}}, reader),
        "answer": None if answer is None else _content({"content": {"": {"schema": answer}}}, reader),
    }


def _events(document: dict[str, Any]) -> Iterator[tuple[str, str, Any, bool]]:
    for namespace, space in document["x-socketio"]["namespaces"].items():
        for direction in ("client_to_server", "server_to_client"):
            for name, event in space[direction].items():
                yield namespace, name, event, direction == "client_to_server"


def _kinds(document: Any, reader: Reader) -> Iterator[dict[str, Any]]:
    """The kinds of event, each with the fields that are its own."""
    shared = {row.name for row in _common(document, reader)}
    for kind in KINDS:
        rows = _rows_of(component(kind), document)
        own = [row for row in rows if row.name not in shared or row.required]
        yield {"kind": kind, "name": component(kind), "rows": own}


def _common(document: Any, reader: Reader) -> list[Row]:
    """The fields that every kind has."""
    of_kinds = [{row.name for row in _rows_of(component(kind), document)} for kind in KINDS]
    shared = set.intersection(*of_kinds)
    return [row for row in _rows_of("PageEvent", document) if row.name in shared and row.name != "kind"]


def _rows_of(name: str, document: Any) -> list[Row]:
    schemas = document["components"]["schemas"]
    return Reader(schemas).variants(schemas[name])[0].rows


def _refusals(document: Any) -> list[tuple[str, Any]]:
    found = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    found[status] = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return sorted(found.items())


def _refusal(status: str, found: Mapping[str, Any]) -> dict[str, str]:
    code = found["content"]["application/json"]["example"]["error"]["code"]
    return {"status": status, "code": code, "says": found["description"]}

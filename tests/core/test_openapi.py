"""The description of the API: complete, valid, true to the tables it is made of, and readable."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask, Response
from msgspec import Struct

from quadra.app import create_app
from quadra.core import settings
from quadra.core.api import openapi_document
from quadra.core.api.openapi_document import document
from quadra.core.runtime import build
from quadra.dashboard.openapi import PAGES
from quadra.doors import DESCRIBED
from quadra.ingest.accept import Sender, accept
from quadra.ingest.doors.events import PATH
from quadra.ingest.doors.openapi_events import EXAMPLES, component, shape_of
from quadra.ingest.kinds import FIELDS, KINDS
from quadra.ingest.wire import Refused, from_dict
from tests.servers.schema import bring_up

DOCUMENT = document(DESCRIBED, "http://127.0.0.1:5000")
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
SENDER = Sender(project_id=1, door="http")
NOW_US = 1_769_860_800_000_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The whole web application; not started, only asked."""
    data = tmp_path_factory.mktemp("data")
    runtime = build(settings.load(data_dir=data, database_url=f"sqlite:///{data / 'quadra.db'}"))
    bring_up(runtime.database)
    yield create_app(runtime)
    runtime.database.dispose()


def routes(app: Flask) -> set[tuple[str, str]]:
    """(method, path as OpenAPI writes it) of every route that is no page."""
    found = {("POST", PATH)}
    for rule in app.url_map.iter_rules():
        is_page = rule.endpoint.startswith("dashboard.") and rule.endpoint != "dashboard.api_docs"
        if is_page or rule.endpoint in PAGES:
            continue
        path = re.sub(r"<(?:[^<>:]+:)?(\w+)>", r"{\1}", rule.rule)
        found |= {(method, path) for method in rule.methods or () if method not in ("HEAD", "OPTIONS")}
    return found


def test_every_route_is_described_and_every_description_has_a_route(app: Flask) -> None:
    described = {(method, path) for method, path, _operation in OPERATIONS}
    described |= {(method, also) for method, _path, operation in OPERATIONS for also in operation.get("x-also", ())}
    there = routes(app)
    assert there - described == set(), "describe these in the room.py of their room"
    assert described - there == set(), "these descriptions have no route"


def test_every_door_says_that_a_question_may_be_refused(app: Flask) -> None:
    refused = app.test_client().get("/metrics?%00")
    assert (refused.status_code, refused.json["error"]["message"]) == (400, "The question cannot be read.")
    assert [(method, path) for method, path, operation in OPERATIONS if "400" not in operation["responses"]] == []


def test_the_document_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert len({operation["operationId"] for _method, _path, operation in OPERATIONS}) == len(OPERATIONS)


def test_every_shape_is_valid_json_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert re.fullmatch(r"\w+", name), f"two shapes want the name {name.rpartition('.')[2]}"


def examples() -> Iterator[Any]:
    for method, path, operation in OPERATIONS:
        answers = operation["responses"].items()
        for what, found in [("body", operation.get("requestBody", {})), *answers]:
            for media in found.get("content", {}).values():
                if "example" in media:
                    yield pytest.param(media["schema"], media["example"], id=f"{method} {path} {what}")
    for namespace, space in DOCUMENT["x-socketio"]["namespaces"].items():
        for name, event in {**space["client_to_server"], **space["server_to_client"]}.items():
            if "example" in event:
                yield pytest.param(event["payload"], event["example"], id=f"{namespace} {name}")


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_every_example_has_the_shape_beside_it(schema: dict[str, Any], example: Any) -> None:
    assert [error.message for error in validator(schema).iter_errors(example)] == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_a_kind_requires_is_what_the_code_refuses_without(kind: str) -> None:
    described = DOCUMENT["components"]["schemas"][component(kind)]
    full = {"kind": kind, "event_type": kind, **minimal(kind)}
    accept(from_dict(full), SENDER, NOW_US)
    assert validator(described).is_valid(full)
    for field in described["required"]:
        less = {name: value for name, value in full.items() if name != field}
        assert not validator(described).is_valid(less)
        with pytest.raises(Refused) as refused:
            accept(from_dict(less), SENDER, NOW_US)
        assert field in refused.value.fields


def minimal(kind: str) -> dict[str, Any]:
    """An event with only what the kind requires."""
    given = EXAMPLES.get(kind, {})
    return {field: given.get(field, 1 if "number" in str(shape_of(field)) else "x") for field in KINDS[kind].required}


def test_every_field_of_a_kind_is_described() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    described = {field for kind in KINDS for field in schemas[component(kind)]["properties"]}
    assert described == set(FIELDS)


def get(app: Flask, path: str, host: str = "localhost", **headers: str) -> Response:
    """An answer of Flask itself: the event loop in front of it is not running."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with app.test_request_context(path, base_url=f"http://{host}", headers=named):
        return app.full_dispatch_request()


def test_the_document_names_no_host_that_only_a_request_names(app: Flask) -> None:
    answer = get(app, "/api/openapi.json", "evil.example")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json is not None
    assert "evil.example" not in answer.get_data(as_text=True)
    assert answer.json["servers"] == [{"url": "/"}]
    sample = answer.json["paths"]["/health"]["get"]["x-codeSamples"][0]["source"]
    assert sample == 'curl "$QUADRA_URL/health"'
    assert DOCUMENT["servers"] == [{"url": "http://127.0.0.1:5000"}]
    assert answer.json["paths"].keys() == DOCUMENT["paths"].keys()


def test_the_document_is_made_once_packed_and_not_sent_to_who_has_it(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = get(app, "/api/openapi.json", "events.example.com")
    monkeypatch.setattr(openapi_document, "document", None)
    host = "events.example.com"
    packed = get(app, "/api/openapi.json", host, Accept_Encoding="gzip")
    known = get(app, "/api/openapi.json", host, Accept_Encoding="gzip", If_None_Match=packed.headers["ETag"])
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) * 4 < len(plain.data)
    assert known.status_code == 304
    assert get(app, "/api/openapi.json", "stranger.example.com").data == plain.data


def test_the_page_loads_its_viewer_from_here_and_is_open_to_strangers(app: Flask) -> None:
    answer = get(app, "/api/docs")
    assert answer.status_code == 200
    page = answer.get_data(as_text=True)
    loaded = re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', page)
    assert "/static/dashboard/vendor/swagger-ui-bundle.js" in [address.partition("?")[0] for address in loaded]
    assert all(address.startswith("/static/") for address in loaded)
    assert "<script>" not in page
    assert str(Path.cwd()) not in page


def test_groups_show_their_socket_events_and_doors_who_may_use_them() -> None:
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    for space in DOCUMENT["x-socketio"]["namespaces"].values():
        for direction in ("client_to_server", "server_to_client"):
            for name, event in space[direction].items():
                assert f"**`{name}`**" in tags[event["x-group"]]
    for _method, _path, operation in OPERATIONS:
        assert re.search(r"(Open to everybody|Needs an? )", operation["description"])
        assert all(f"`{path}`" in operation["description"] for path in operation.get("x-also", ()))


UNTYPED = (
    "dashboard.",
    "ingest",
    "tracker.",
    "accounts.login_pages.",
    "accounts.openid_pages.",
    "prometheus_metrics",
    "openapi.",
    "static",
)
"""Beginnings of endpoints that make their answers by hand: pages and files, the protocols of other products, and the doors of
events, whose answers are measured in microseconds."""
ANY_SHAPE = {"/flags", "/decide", "/array/{token}/config", "/share/{token}/data/{key}", "/api/openapi.json"}
"""Doors whose JSON is another's: of other products, of whichever lens a link asks, of OpenAPI."""


def shapes_of(hint: Any) -> set[Any]:
    """Of a view that serves many kinds of row, the bound of its variable."""
    parts = get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)
    return {part.__bound__ if isinstance(part, TypeVar) else part for part in parts}


def test_every_view_gives_a_struct_or_a_response_made_of_one(app: Flask) -> None:
    typed = 0
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith(UNTYPED):
            continue
        found = shapes_of(get_type_hints(unwrap(view)).get("return"))
        structs = {shape for shape in found if isinstance(shape, type) and issubclass(shape, Struct)}
        assert found - structs <= {Response}, f"{endpoint} gives {found}: state its answer as a struct"
        typed += len(structs)
    assert typed > 60


def test_every_json_answer_is_described_by_a_struct() -> None:
    for group in DESCRIBED:
        for door in group.doors:
            for status, answer in door.answers.items():
                if answer.media != "application/json" or door.path in ANY_SHAPE or status not in (200, 201, 202):
                    continue
                shape = answer.shape
                assert isinstance(shape, type), f"{door.method} {door.path}: {shape}"
                assert issubclass(shape, Struct) or is_typeddict(shape), f"{door.method} {door.path}: {shape}"

"""Doors whose request and answer are structs: what is read, what is refused, and what the description says of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec import Meta, Struct

from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Group
from quadra.core.api.openapi_document import document
from quadra.core.api.params import Params, says, within
from quadra.core.web import http


class Which(Struct, kw_only=True):
    state: Annotated[Literal["open", "done"] | None, says("Only these.")] = None
    limit: Annotated[int, within(1, 100, "How many.")] = 50
    loud: bool = False


class Part(Struct, kw_only=True):
    size: Annotated[int, within(1, 9)]


class Wanted(Struct, kw_only=True):
    name: Annotated[str, says("What it is called.", "screw")]
    weight: float | None = None
    parts: Annotated[list[Part], Meta(max_length=5, description="What it is made of.")] = []


class Things(Struct, kw_only=True):
    names: list[str]
    limit: int


doors = Doors("things", __name__)


@doors("GET", "/things/{kind}", "/v2/things/{kind}", title="List things", asks=Params(Which), answers=Things)
def show_things(asked: Which, kind: str) -> Things:
    return Things(names=[kind, asked.state or "any", "LOUD" if asked.loud else "low"], limit=asked.limit)


@doors("POST", "/things", title="Make a thing", asks=Params(Wanted), answers=Things, status=201)
def make_thing(asked: Wanted) -> Things:
    return Things(names=[asked.name, str(asked.weight)], limit=sum(part.size for part in asked.parts))


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask("test")
    http.set_up(app)
    app.register_blueprint(doors.blueprint)
    return app.test_client()


@pytest.mark.parametrize("prefix", ["", "/v2"])
def test_an_address_becomes_the_struct(client: FlaskClient, prefix: str) -> None:
    answer = client.get(f"{prefix}/things/nuts?state=open&limit=7&loud=true")
    assert (answer.status_code, answer.json) == (200, {"names": ["nuts", "open", "LOUD"], "limit": 7})
    assert client.get(f"{prefix}/things/nuts?state=&limit=").json == {"names": ["nuts", "any", "low"], "limit": 50}


def test_every_wrong_field_is_named_at_once(client: FlaskClient) -> None:
    answer = client.get("/things/nuts?state=shut&limit=101&laud=1&xyzzy=1")
    assert answer.status_code == 400
    assert answer.json["error"]["fields"] == {
        "state": "one of open, done",
        "limit": "a number from 1 to 100",
        "laud": "is not known here; did you mean loud?",
        "xyzzy": "is not known here; known are state, limit, loud",
    }


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": "n", "nmae": 1}, {"nmae"}),
        ({"name": ["n"], "weight": "heavy", "parts": [{"size": 10}, {"sise": 1}]},
         {"name", "weight", "parts[0].size", "parts[1].size", "parts[1].sise"}),
        ({"name": "n", "parts": [1]}, {"parts"}),
    ],
)  # fmt: skip
def test_a_body_is_read_in_the_same_manner(client: FlaskClient, body: Any, fields: set[str]) -> None:
    answer = client.post("/things", json=body)
    assert answer.status_code == 400
    assert set(answer.json["error"]["fields"]) == fields


def test_a_body_becomes_the_struct(client: FlaskClient) -> None:
    answer = client.post("/things", json={"name": 5, "weight": "1.5", "parts": [{"size": 2}, {"size": 3}]})
    assert (answer.status_code, answer.json) == (201, {"names": ["5", "1.5"], "limit": 5})


def test_a_thousand_unknown_fields_are_refused_without_looking_for_each(client: FlaskClient) -> None:
    answer = client.post("/things", json={f"field{number}": 1 for number in range(2_000)})
    assert answer.status_code == 400
    assert len(answer.json["error"]["fields"]) == 0
    few = client.post("/things", json={f"field{number}": 1 for number in range(900)})
    assert len(few.json["error"]["fields"]) <= 21


def test_the_description_is_that_of_the_structs() -> None:
    found = document([Group(title="Things", doors=tuple(doors.described))], "http://x")
    shown = found["paths"]["/things/{kind}"]["get"]
    assert [(param["name"], param["in"]) for param in shown["parameters"]] == [
        ("kind", "path"),
        ("state", "query"),
        ("limit", "query"),
        ("loud", "query"),
    ]
    assert shown["parameters"][2]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert shown["responses"]["200"]["content"]["application/json"]["example"] == {"names": ["text"], "limit": 12}
    made = found["paths"]["/things"]["post"]
    assert made["requestBody"]["content"]["application/json"]["schema"]["required"] == ["name"]
    assert found["components"]["schemas"]["Things"]["required"] == ["names", "limit"]

"""Doors whose request and answer are structs: what is read, what is refused, and what the description says of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from msgspec import Meta, Struct

from quadra.core.api.doors import GATE, Doors, Other
from quadra.core.api.openapi import Group, Param
from quadra.core.api.openapi_document import document
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Forbidden, Invalid
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
    loud: bool = False
    parts: Annotated[list[Part], Meta(max_length=5, description="What it is made of.")] = []


class Secret(Struct, kw_only=True):
    password: Annotated[str, Meta(min_length=4, extra_json_schema={"format": "password"})]
    owner: Annotated[str, Meta(min_length=1)] | None = None
    kept: dict[str, Any] = {}
    parts: Annotated[dict[str, Part], Meta(max_length=2)] = {}
    tags: tuple[str, ...] = ()


class Labels(Struct, kw_only=True):
    label: Annotated[str, Meta(max_length=3)] = ""
    owner: Annotated[str, Meta(min_length=1, max_length=3)] | None = None


class Things(Struct, kw_only=True):
    names: list[str]
    limit: int


class Broken(Things, kw_only=True):
    why: str


doors = Doors("things", __name__)


@doors("GET", "/things/{kind}", "/v2/things/{kind}", title="List things", asks=Params(Which), answers=Things)
def show_things(asked: Which, kind: str) -> Things:
    return Things(names=[kind, asked.state or "any", "LOUD" if asked.loud else "low"], limit=asked.limit)


@doors("POST", "/things", title="Make a thing", asks=Params(Wanted), answers=Things, status=201)
def make_thing(asked: Wanted) -> Things:
    return Things(names=[asked.name, str(asked.weight)], limit=sum(part.size for part in asked.parts))


@doors("POST", "/secrets", title="Keep a secret", asks=Params(Secret), answers=Things)
def keep_secret(asked: Secret) -> Things:
    names = [asked.password, str(asked.owner), *asked.kept, *asked.parts, *asked.tags]
    return Things(names=names, limit=sum(part.size for part in asked.parts.values()))


@doors(
    "GET",
    "/stock/{number}",
    title="Stock",
    named={"number": Param(name="number", shape=Annotated[int, Meta(ge=0, le=99)])},
    answers=Things,
    answer_says="There is some.",
    others={
        503: Other(
            says="There is none.",
            shape=Broken,
            when=lambda answer: answer.limit == 0,
            example=Broken(names=[], limit=0, why="sold"),
        )
    },
)
def show_stock(number: int) -> Things | Response:
    if number == 99:
        return Response("a page", content_type="text/html")
    return Things(names=[], limit=number) if number else Broken(names=[], limit=0, why="sold out")


@doors("GET", "/links", title="A link", answers=Things, lenient=True)
def show_link() -> Things:
    return Things(names=[], limit=1)


@doors("GET", "/labels", title="Labels", asks=Params(Labels), answers=Things)
def show_labels(asked: Labels) -> Things:
    return Things(names=[asked.label, str(asked.owner)], limit=1)


@doors("PATCH", "/labels", title="Change the labels", asks=Params(Labels), answers=Things)
def change_labels(asked: Labels) -> Things:
    return Things(names=[asked.label, str(asked.owner)], limit=1)


@doors("POST", "/vault", title="The vault", needs="admin", asks=Params(Wanted), answers=Things)
def open_vault(asked: Wanted) -> Things:
    return Things(names=[asked.name], limit=1)


@doors("POST", "/hall", title="The hall", needs="admin", gated=False, asks=Params(Wanted), answers=Things)
def enter_hall(asked: Wanted) -> Things:
    return Things(names=[asked.name], limit=1)


def only_json() -> None:
    raise Invalid("Not like this.")


@doors("POST", "/forms", title="Forms", first=only_json, asks=Params(Wanted), answers=Things)
def send_form(asked: Wanted) -> Things:
    return Things(names=[asked.name], limit=1)


def refuse_all(role: str) -> None:
    raise Forbidden(f"needs {role}")


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask("test")
    app.extensions[GATE] = refuse_all
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


def test_a_text_is_as_long_as_is_described_and_no_longer(client: FlaskClient) -> None:
    asked, long = {"label": "äöü", "owner": "ada"}, {"label": "äöü!", "owner": "adam"}
    for answer in (client.get("/labels", query_string=asked), client.patch("/labels", json=asked)):
        assert (answer.status_code, answer.json["names"]) == (200, ["äöü", "ada"])
    for answer in (client.get("/labels", query_string=long), client.patch("/labels", json=long)):
        wrong = {"label": "at most 3 characters", "owner": "at most 3 characters"}
        assert (answer.status_code, answer.json["error"]["fields"]) == (400, wrong)


def test_a_body_of_which_nothing_is_needed_may_be_left_out_and_is_described_so(client: FlaskClient) -> None:
    assert client.patch("/labels").json["names"] == ["", "None"]
    assert client.post("/things").status_code == 400
    found = document([Group(title="Things", doors=tuple(doors.described))], "http://x")["paths"]
    assert not found["/labels"]["patch"]["requestBody"]["required"]
    assert found["/things"]["post"]["requestBody"]["required"]


def test_half_a_megabyte_is_read_and_one_byte_more_is_too_large(client: FlaskClient) -> None:
    body = b'{"name": "n"}'
    for size, status in ((512 * 1024, 201), (512 * 1024 + 1, 413)):
        answer = client.post("/things", data=body + b" " * (size - len(body)))
        assert answer.status_code == status
    assert answer.json["error"]["code"] == "too_large"


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
    loud = made["requestBody"]["content"]["application/json"]["schema"]["properties"]["loud"]
    assert loud["anyOf"][0]["type"] == "boolean"
    assert loud["anyOf"][1:] == [{"enum": [0, 1]}, {"type": ["string", "null"]}], "what is read as a boolean, too"
    assert found["components"]["schemas"]["Things"]["required"] == ["names", "limit"]


def test_what_an_address_says_beside_is_refused_where_nothing_is_asked_too(client: FlaskClient) -> None:
    answer = client.get("/stock/7?limit=3")
    assert (answer.status_code, answer.json["error"]["fields"]) == (400, {"limit": "is not known here; known are none"})
    answer = client.post("/things?name=n&size=1", json={"weight": "heavy"})
    assert (answer.status_code, answer.json["error"]["fields"]) == (400, {
        "name": "belongs into the body, not into the address",
        "size": "is not known here; known are none",
        "weight": "a number",
    })  # fmt: skip
    assert client.get("/links?fbclid=1").status_code == 200


def test_a_secret_is_taken_as_it_was_sent_and_an_object_as_its_structs(client: FlaskClient) -> None:
    body = {"password": " 0\t", "kept": {"a": 1}, "parts": {"x": {"size": "2"}, "y": {"size": 3}}, "tags": ["t", "u,v"]}
    assert client.post("/secrets", json=body).json == {"names": [" 0\t", "None", "a", "x", "y", "t", "u,v"], "limit": 5}
    assert client.post("/secrets", json={"password": ""}).json["names"] == ["", "None"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"password": 1234}, {"password": "a string"}),
        ({"password": "p", "owner": ""}, {"owner": "not empty; leave it out instead"}),
        ({"password": "p", "kept": [1]}, {"kept": "an object"}),
        ({"password": "p", "parts": {"x": {"size": 10}}}, {"parts.x.size": "a number from 1 to 9"}),
        ({"password": "p", "parts": {"x": {"sise": 1, "size": 1}}}, {"parts.x.sise": "is not known here; did you mean size?"}),
        ({"password": "p", "parts": {"x": 1, "y": {}}}, {"parts.x": "an object", "parts.y.size": "is needed"}),
        ({"password": "p", "parts": {name: {"size": 1} for name in "xyz"}}, {"parts": "an object that holds at most 2 others"}),
    ],
)  # fmt: skip
def test_wrong_secrets_and_objects_are_named(client: FlaskClient, body: Any, fields: dict[str, str]) -> None:
    answer = client.post("/secrets", json=body)
    assert (answer.status_code, answer.json["error"]["fields"]) == (400, fields)


def test_the_status_follows_from_the_answer(client: FlaskClient) -> None:
    assert client.get("/stock/7").status_code == 200
    none = client.get("/stock/0")
    assert (none.status_code, none.json) == (503, {"names": [], "limit": 0, "why": "sold out"})
    page = client.get("/stock/99")
    assert (page.status_code, page.text) == (200, "a page")


@pytest.mark.parametrize("number", ["100", "-1", "a"])
def test_a_number_in_a_path_that_cannot_be_is_not_found(client: FlaskClient, number: str) -> None:
    assert client.get(f"/stock/{number}").status_code == 404


def test_who_has_not_the_role_is_refused_before_anything_is_read(client: FlaskClient) -> None:
    answer = client.post("/vault?x=1", data="no JSON")
    assert (answer.status_code, answer.json["error"]["message"]) == (403, "needs admin")
    assert client.post("/hall", json={"name": "n"}).status_code == 200
    answer = client.post("/forms", data="no JSON")
    assert answer.json["error"]["message"] == "Not like this."


def test_the_description_of_secrets_objects_and_other_statuses() -> None:
    found = document([Group(title="Things", doors=tuple(doors.described))], "http://x")
    body = found["paths"]["/secrets"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"] == {"password": "text"}
    assert body["schema"]["properties"] == {
        "password": {"type": "string", "format": "password", "minLength": 4},
        "owner": {"type": ["string", "number", "boolean", "null"], "minLength": 1},
        "kept": {"type": ["object", "null"]},
        "parts": {
            "type": ["object", "null"],
            "maxProperties": 2,
            "additionalProperties": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {
                        "anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": ["string", "null"]}],
                    }
                },
            },
        },
        "tags": {
            "type": ["array", "string", "number", "boolean", "null"],
            "items": {"type": ["string", "number", "boolean", "null"]},
        },
    }
    answers = found["paths"]["/stock/{number}"]["get"]["responses"]
    assert answers["503"]["content"]["application/json"]["example"] == {"names": [], "limit": 0, "why": "sold"}
    assert answers["503"]["description"] == "There is none."

"""Several questions at once: each has the answer, or the error, that its own door gives."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

from quadra.analytics import asking
from quadra.analytics.asking import QUESTIONS_MOST
from quadra.analytics.lenses import overview
from quadra.warehouse.query import engine
from quadra.warehouse.query.cache import answers_total
from quadra.warehouse.query.engine import warehouse_of
from tests.analytics.conftest import As, Place
from tests.analytics.reference import Event, ev
from tests.waiting import eventually

RANGE = {"from": "2026-03-02", "to": "2026-03-03"}
OF_THE_MOMENT = ("computed_at", "elapsed_ms", "insights")
ASK = "/api/analytics/ask"


def told(place: Place) -> Any:
    views = [
        Event("u", at.us, "page_view", kind="page", fields={"page_url": f"/{page}"})
        for page, at in zip("aab", (ev("u", f"2026-03-02 1{hour}:00") for hour in range(3)), strict=True)
    ]
    return place.tell([ev("u", "2026-03-02 10:00", plan="pro"), ev("v", "2026-03-02 10:20"), *views])


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in OF_THE_MOMENT}


def test_each_answer_is_the_one_of_its_own_door(client: FlaskClient, as_: As, place: Place) -> None:
    key = as_(told(place).slug)
    steps = [{"event": "page_view"}, {"event": "page_view"}]
    questions: dict[str, dict[str, Any]] = {
        "people": {"lens": "trends", "params": {**RANGE, "aggregate": "unique", "where": {"plan": ["pro"]}}},
        "visits": {"lens": "visits", "params": RANGE},
        **{by: {"lens": "visits", "params": {**RANGE, "by": by, "compare": "none"}} for by in ("page", "channel")},
        "overview": {"lens": "dashboard", "params": RANGE},
        "funnel": {"lens": "funnels/query", "params": {**RANGE, "steps": steps}},
    }
    for path in (ASK, "/api/v2/analytics/ask"):
        found = client.post(path, json={"questions": questions}, headers=key)
        assert (found.status_code, found.json["errors"]) == (200, {})
        assert list(found.json["answers"]) == list(questions)
        place.forget()  # what each says by itself is worked out by itself
        for name, answer in found.json["answers"].items():
            lens, params = questions[name]["lens"], questions[name]["params"]
            address = {f"where[{prop}]": each for prop, each in params.get("where", {}).items()} | params
            address.pop("where", None)
            how = {"json": params} if lens == "funnels/query" else {"query_string": address}
            method = client.post if lens == "funnels/query" else client.get
            alone = method(f"/api/analytics/{lens}", headers=key, **how)
            assert plain(answer) == plain(alone.json), name


def test_each_error_is_the_one_of_its_own_door_and_the_others_are_answered(
    client: FlaskClient, as_: As, place: Place
) -> None:
    mine, other = told(place), told(place)
    key = as_(mine.slug)
    wrong = {
        "lens": {"lens": "nothing", "params": {}},
        "zone": {"lens": "trends", "params": {"timezone": "Nowhere"}},
        "name": {"lens": "trends", "params": {"agregate": "unique"}},
        "segment": {"lens": "visits", "params": {"segment": "of-nobody"}},
        "sql": {"lens": "sql", "params": {"sql": "SELECT 1 FROM events"}},
        "project": {"lens": "trends", "params": {"project": other.slug}},
        "not a key": {"lens": "trends", "params": {}},
    }
    sent = {"project": mine.slug, "questions": {**wrong, "right": {"lens": "trends", "params": RANGE}}}
    found = client.post(ASK, json=sent, headers=key).json
    assert list(found["answers"]) == ["right"]
    shown = {name: (error["status"], error["code"], list(error["fields"])) for name, error in found["errors"].items()}
    assert shown == {
        "lens": (400, "invalid", ["lens"]),
        "zone": (400, "invalid", ["timezone"]),
        "name": (400, "invalid", ["agregate"]),
        "segment": (404, "not_found", []),
        "sql": (403, "forbidden", []),
        "project": (400, "invalid", ["project"]),
        "not a key": (400, "invalid", []),
    }


def test_each_answer_is_a_line_where_lines_are_asked_for(client: FlaskClient, as_: As, place: Place) -> None:
    key = as_(told(place).slug)
    questions = {
        "wrong": {"lens": "nothing"},
        **{name: {"lens": name, "params": RANGE} for name in ("trends", "visits")},
    }
    whole = client.post(ASK, json={"questions": questions}, headers=key).json
    found = client.post(ASK, json={"questions": questions}, headers=key | {"Accept": "application/x-ndjson"})
    assert (found.status_code, found.content_type) == (200, "application/x-ndjson")
    lines = {line.pop("key"): line for line in map(json.loads, found.text.splitlines())}
    assert lines["wrong"] == {"error": whole["errors"]["wrong"]}
    assert {key: plain(line["answer"]) for key, line in lines.items() if key != "wrong"} == {
        key: plain(answer) for key, answer in whole["answers"].items()
    }


def test_a_reader_of_lines_who_stops_reading_holds_no_turn(client: FlaskClient, as_: As, place: Place) -> None:
    key = as_(told(place).slug) | {"Accept": "application/x-ndjson"}
    questions = {f"q{number}": {"lens": "trends", "params": RANGE} for number in range(3)}
    stopped = [client.post(ASK, json={"questions": questions}, headers=key) for _ in range(12)]
    assert all(one.status_code == 200 for one in stopped)
    turns = warehouse_of(place.runtime)._turns
    eventually(lambda: turns._value == place.runtime.settings.query_concurrency)
    for one in stopped:
        one.close()


def test_lines_that_cannot_begin_are_refused_as_a_whole(
    client: FlaskClient, as_: As, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = as_(told(place).slug) | {"Accept": "application/x-ndjson"}
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.0)
    turns = warehouse_of(place.runtime)._turns
    for _ in range(place.runtime.settings.query_concurrency):
        turns.acquire()
    try:
        refused = client.post(
            ASK, json={"questions": {"a": {"lens": "trends", "params": RANGE}, "b": {"lens": "x"}}}, headers=key
        )
    finally:
        turns.release(place.runtime.settings.query_concurrency)
    assert (refused.status_code, refused.json["error"]["code"]) == (503, "busy")


def test_who_may_not_ask_is_told_nothing(client: FlaskClient, as_: As, place: Place) -> None:
    mine, other = told(place), told(place)
    questions = {"trends": {"lens": "trends", "params": RANGE}}
    elsewhere = {"REMOTE_ADDR": "10.1.1.1"}
    assert client.post(ASK, json={"questions": questions}, environ_base=elsewhere).status_code == 401
    assert client.post(ASK, json={"questions": questions}, headers=as_(mine.slug, "ingest")).status_code == 403
    away = {"questions": questions, "project": other.slug}
    assert client.post(ASK, json=away, headers=as_(mine.slug)).status_code == 404


@pytest.mark.parametrize(
    "questions",
    [
        None,
        [],
        {"a": 1},
        {"a": {"lens": "trends", "params": 1}},
        {f"q{number}": {"lens": "trends"} for number in range(QUESTIONS_MOST + 1)},
    ],
)
def test_what_is_no_bounded_object_of_questions_is_refused(
    client: FlaskClient, as_: As, place: Place, questions: Any
) -> None:
    refused = client.post(ASK, json={"questions": questions}, headers=as_(place.project().slug))
    assert refused.status_code == 400
    (field,) = refused.json["error"]["fields"]
    assert field.startswith("questions")


def test_answers_together_are_bounded_in_bytes_and_in_time(
    client: FlaskClient, as_: As, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = as_(told(place).slug)
    questions = {"questions": {name: {"lens": "trends", "params": RANGE} for name in ("first", "second")}}
    size = len(client.post(ASK, json=questions, headers=key).data) // 2
    monkeypatch.setattr(asking, "BYTES_MOST", size + size // 2)
    found = client.post(ASK, json=questions, headers=key).json
    assert (list(found["answers"]), found["errors"]["second"]["code"]) == (["first"], "too_large")
    monkeypatch.undo()
    now = time.monotonic()
    monkeypatch.setattr(asking, "time", SimpleNamespace(monotonic=iter([now, now, now + 1e9]).__next__))
    found = client.post(ASK, json=questions, headers=key).json
    assert (list(found["answers"]), found["errors"]["second"]["code"]) == (["first"], "query_timeout")


def test_two_overviews_read_the_time_that_they_share_once(place: Place) -> None:
    project = told(place)
    place.ask(overview, project, **{"from": "2026-03-08", "to": "2026-03-14"})
    kept = answers_total.labels("yes")
    before = kept._value.get()
    alone = place.ask(overview, project, **{"from": "2026-03-01", "to": "2026-03-07"})
    assert kept._value.get() - before == 2
    assert (alone["events"]["total"], alone["events"]["previous"]["total"]) == (5, 0)


def test_an_overview_that_is_compared_with_nothing_has_nothing_beside_its_numbers(place: Place) -> None:
    project = told(place)
    both, alone = (place.ask(overview, project, RANGE, **more) for more in ({}, {"compare": "none"}))
    assert plain(_without_previous(both)) == plain(alone) | {"rows_read": both["rows_read"]}
    assert alone["events"]["previous"] is alone["series"][0]["previous"] is None


def _without_previous(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_without_previous(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    return {name: None if name == "previous" else _without_previous(one) for name, one in answer.items()}

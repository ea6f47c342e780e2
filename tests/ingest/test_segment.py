"""Segment's messages and its real Python SDK."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from segment.analytics.client import Client

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.kinds import MAX_JSON_BYTES
from quadra.ingest.sdks import segment
from quadra.ingest.wire import Refused
from tests.ingest.real import Project, new_project
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:127.0) Gecko/20100101 Firefox/127.0"
NOW = clock.now_us()


def row(**message: Any) -> Row:
    return accept(segment.read(message), Sender(1, "segment"), NOW)


def properties(row: Row) -> Any:
    return json.loads(bytes(row.properties or b"null"))


def refused(**message: Any) -> dict[str, str]:
    found = segment.read(message)
    assert isinstance(found, Refused)
    return found.fields


def test_a_track_call_is_an_event_of_its_own_name() -> None:
    found = row(type="track", event="Bought", messageId="m1", userId=7, properties={"total": 3})
    assert (found.kind, found.name, found.event_id, found.user_id) == ("event", "Bought", "m1", "7")
    assert properties(found) == {"total": 3}


def test_page_calls_are_page_views_whatever_they_are_called() -> None:
    found = row(type="page", name="Prices", category="Docs", properties={"url": "https://a/b", "title": "T"})
    assert (found.kind, found.name, found.category) == ("page", "page_view", "Docs")
    assert (found.page_url, found.page_title) == ("https://a/b", "T")
    assert properties(found)["name"] == "Prices"


def test_screen_group_and_alias_calls_lose_nothing() -> None:
    screen = row(type="screen", name="Home", category="App")
    assert (screen.kind, screen.event_type, screen.name) == ("event", "screen", "Home")
    group = row(type="group", userId="u", groupId="g", traits={"n": 1})
    assert (group.name, properties(group)) == ("group", {"groupId": "g", "traits": {"n": 1}})
    alias = row(type="alias", userId="u", previousId="a")
    assert (alias.name, alias.user_id, properties(alias)) == ("alias", "u", {"previousId": "a"})


def test_an_identify_call_keeps_its_traits() -> None:
    found = row(type="identify", anonymousId="a", traits={"plan": "pro"})
    assert (found.kind, found.user_id, bytes(found.fields or b"")) == ("identify", "a", b'{"traits":{"plan":"pro"}}')


def test_the_context_gives_page_and_session_and_the_rest_of_it_is_kept_but_no_address() -> None:
    context = {
        "page": {"url": "https://a/", "title": "A", "referrer": "https://b/", "search": "?q"},
        "ip": "203.0.113.7",
        "userAgent": FIREFOX,
        "sessionId": 12,
        "campaign": {"source": "mail"},
    }
    message = {"type": "track", "event": "e", "context": context}
    found = row(**message)
    assert (found.page_url, found.page_title, found.referrer, found.session_id) == (
        "https://a/",
        "A",
        "https://b/",
        "12",
    )
    assert properties(found) == {"context": {"campaign": {"source": "mail"}, "page": {"search": "?q"}}}
    assert segment.sender_of(message, Sender(1, "segment")).browser == "Firefox"


def test_a_message_overrules_the_context_of_its_batch() -> None:
    shared = {"app": "shop", "campaign": {"source": "mail"}}
    found = segment.under(shared, {"type": "track", "context": {"app": "own"}})
    assert found["context"] == {"app": "own", "campaign": {"source": "mail"}}
    assert segment.under(shared, {"type": "track"})["context"] == shared
    assert segment.under(None, {"type": "track"}) == {"type": "track"}


def test_a_context_that_is_too_large_is_left_out_with_a_note_and_the_event_is_kept() -> None:
    found = row(type="track", event="e", properties={"a": 1}, context={"big": "x" * MAX_JSON_BYTES})
    assert set(properties(found)) == {"a", "context_left_out"}


def test_the_senders_clock_is_corrected_and_one_that_cannot_be_read_is_ignored() -> None:
    at = clock.iso(clock.from_us(NOW - 3_600_000_000))
    wrong_clock = {"type": "track", "event": "e", "timestamp": at, "sentAt": at}
    assert abs(row(**wrong_clock).occurred_at - NOW) < 2_000
    assert NOW - row(**{**wrong_clock, "sentAt": "soon"}).occurred_at > 3_599_000_000


def test_a_time_without_an_offset_is_utc_and_seconds_are_understood() -> None:
    at = 1_709_290_800 * 1_000_000
    for timestamp in (
        "2024-03-01T11:00:00",
        "2024-03-01T11:00:00.000Z",
        1_709_290_800,
        1_709_290_800_000,
        1709290800.0,
    ):
        assert row(type="track", event="e", timestamp=timestamp).occurred_at == at


def test_what_is_wrong_is_named_as_the_sender_names_it() -> None:
    assert refused(type="track") == {"event": "required"}
    assert refused(type="jump", event="e").keys() == {"type"}
    assert refused(type="track", event="e", messageId="x" * 129).keys() == {"messageId"}
    assert refused(type="track", event="e", userId={"id": 1}).keys() == {"userId"}
    assert refused(type="track", event="e", properties=[1]).keys() == {"properties"}
    assert refused(type="track", event="e", properties={"a": float("nan")}).keys() == {"event"}


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    return new_project(quadra)


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


@pytest.mark.parametrize("packed", [False, True])
def test_the_real_sdk_delivers_every_kind_of_call(project: Project, packed: bool) -> None:
    errors: list[Any] = []
    client = Client(
        project.write_key, host=project.quadra.base_url, gzip=packed, on_error=lambda error, _: errors.append(error)
    )
    client.track("ada", "Bought", {"total": 12.5})
    client.page("ada", "Docs", "Prices", {"url": "https://shop.example/prices"})
    client.screen("ada", "App", "Home")
    client.identify("ada", {"plan": "pro"})
    client.group("ada", "firm")
    client.alias("visitor", "ada")
    client.flush()
    client.join()
    assert errors == []
    found = {event["name"]: event for event in project.events()}
    assert found.keys() == {"Bought", "page_view", "Home", "identify", "group", "alias"}
    assert found["Bought"]["properties"]["total"] == 12.5
    assert {event["user_id"] for event in found.values()} == {"ada"}


def test_every_path_answers_success_with_the_key_as_user_name_or_in_the_body(project: Project) -> None:
    for name in segment.TYPES:
        body = {"event": "e", "userId": "u", "messageId": name}
        assert project.send(f"/v1/{name}", body, Authorization=basic(project.write_key)).body == {"success": True}
        repeated = project.send(f"/v1/{name}", {**body, "writeKey": project.write_key})
        assert (repeated.status, repeated.body) == (200, {"success": True})
    assert [event["event_id"] for event in project.events()] == sorted(segment.TYPES)


def test_a_batch_with_some_bad_items_is_taken_and_names_them(project: Project) -> None:
    batch = [{"type": "track", "event": "good", "userId": "u", "messageId": "m1"}, {"type": "track"}, 7]
    answer = project.send("/v1/import", {"batch": batch, "writeKey": project.write_key, "context": {"app": "shop"}})
    assert (answer.status, answer.body["success"]) == (200, True)
    assert [(item["index"], item["fields"].keys()) for item in answer.body["refused"]] == [
        (1, {"event"}),
        (2, {"batch"}),
    ]
    assert project.event()["properties"] == {"context": {"app": "shop"}}


def test_one_event_with_nan_or_half_a_character_does_not_cost_the_batch(project: Project) -> None:
    items = b'{"type":"track","event":"a","properties":{"n":NaN}},{"type":"track","event":"b\\ud800"},'
    items += b'{"type":"track","event":"c"}'
    raw = b'{"batch":[%s],"writeKey":"%s"}' % (items, project.write_key.encode())
    answer = project.send("/v1/batch", raw)
    assert (answer.status, len(answer.body["refused"])) == (200, 2)
    assert project.event()["name"] == "c"


def test_the_status_codes_tell_an_sdk_whether_to_try_again(project: Project) -> None:
    key = basic(project.write_key)
    assert project.send("/v1/track", {"userId": "u"}, Authorization=key).status == 400
    assert project.send("/v1/track", b"{", Authorization=key).status == 400
    assert project.send("/v1/batch", {"items": []}, Authorization=key).status == 400
    assert project.send("/v1/track", {"event": "e"}, Authorization=basic("qk_wrong")).status == 401
    assert project.send("/v1/track", {"event": "e"}).status == 401
    large = gzip.compress(json.dumps({"event": "e", "properties": {"a": "x" * 6_000_000}}).encode())
    assert project.send("/v1/track", large, Authorization=key, Content_Encoding="gzip").status == 413
    assert project.send("/v1/batch", {"batch": []}, Authorization=key).body == {"success": True}
    assert project.events() == []


def test_a_browser_of_any_page_may_send(project: Project) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = project.send("/v1/track", method="OPTIONS", Access_Control_Request_Headers="content-type,x-own", **origin)
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Headers"] == "content-type,x-own"
    sent = project.send("/v1/track", {"event": "e", "writeKey": project.write_key}, User_Agent=FIREFOX, **origin)
    assert sent.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert project.event()["browser"] == "Firefox"

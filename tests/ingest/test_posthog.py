"""PostHog's events and its real Python SDK."""

from __future__ import annotations

import base64
import gzip
import json
import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from posthog import Posthog

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.sdks import posthog
from quadra.ingest.wire import Refused
from tests.ingest.real import Project, new_project
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

NOW = clock.now_us()


def row(event: str = "thing", **more: Any) -> Row:
    return accept(posthog.read({"event": event, "distinct_id": "d", **more}, NOW), Sender(1, "posthog"), NOW)


def who(**properties: Any) -> tuple[str | None, str | None]:
    found = row(properties=properties)
    return found.user_id, found.anonymous_id


def test_names_stay_and_kinds_are_understood() -> None:
    view = row("$pageview", properties={"$current_url": "https://a/", "title": "A", "$referrer": "$direct"})
    assert (view.kind, view.name, view.page_url, view.page_title, view.referrer) == (
        "page",
        "$pageview",
        "https://a/",
        "A",
        None,
    )
    identified = row("$identify", **{"$set": {"mail": "x"}})
    assert (identified.kind, bytes(identified.fields or b"")) == ("identify", b'{"traits":{"mail":"x"}}')
    assert row("$autocapture", properties={"$session_id": "s"}).session_id == "s"


def test_a_distinct_id_is_a_user_unless_the_event_says_that_nobody_was_identified() -> None:
    assert who() == ("d", None)
    assert who(**{"$device_id": "dev"}) == ("d", "dev")
    for anonymous in (
        {"$is_identified": False},
        {"$user_state": "anonymous"},
        {"$device_id": "d"},
        {"$process_person_profile": False},
    ):
        assert who(**anonymous) == ("d", "d"), anonymous
    assert who(**{"$is_identified": True, "$device_id": "dev", "$process_person_profile": False}) == ("d", "dev")
    found = row("$identify", properties={"$anon_distinct_id": "before", "$is_identified": False})
    assert (found.user_id, found.anonymous_id) == ("d", "before")


def test_neither_the_key_nor_an_address_is_kept_and_everything_else_is() -> None:
    found = row(api_key="qk_1", library="x", properties={"token": "qk_1", "$ip": "203.0.113.7", "$lib": "web"})
    assert json.loads(bytes(found.properties or b"")) == {"library": "x", "$lib": "web"}


def test_an_offset_counts_back_from_the_receipt_and_a_wrong_clock_is_corrected() -> None:
    assert abs(NOW - row(offset=5_000).occurred_at - 5_000_000) < 2_000
    past = clock.iso(clock.from_us(NOW - 3_600_000_000))
    assert abs(row(timestamp=past, sent_at=past).occurred_at - NOW) < 2_000
    kept = row(timestamp=past, sent_at=past, properties={"$ignore_sent_at": True})
    assert abs(NOW - kept.occurred_at - 3_600_000_000) < 2_000


def test_devices_are_those_of_browsers_not_of_servers() -> None:
    plain = Sender(1, "posthog")
    device = {"$browser": "Firefox", "$os": "Linux", "$device_type": "Desktop"}
    found = posthog.sender_of({"properties": device}, plain)
    assert (found.browser, found.os, found.device_type) == ("Firefox", "Linux", "desktop")
    assert posthog.sender_of({"properties": {**device, "$is_server": True}}, plain) == plain


def test_what_is_wrong_is_named_as_the_sender_names_it() -> None:
    for event, field in (
        ({"distinct_id": "d"}, "event"),
        ({"event": "e"}, "distinct_id"),
        ({"event": "e", "distinct_id": "d", "uuid": "x" * 200}, "uuid"),
        ({"event": "e", "distinct_id": "d", "properties": []}, "properties"),
        ("e", "batch"),
    ):
        found = posthog.read(event, NOW)
        assert isinstance(found, Refused)
        assert list(found.fields) == [field]


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    return new_project(quadra)


@pytest.mark.parametrize("packed", [False, True])
def test_the_real_sdk_sends_and_finds_no_flags(project: Project, packed: bool) -> None:
    errors: list[Any] = []
    client = Posthog(
        project.write_key,
        host=project.quadra.base_url,
        gzip=packed,
        on_error=lambda error, _: errors.append(error),
        disable_geoip=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own about its newer names
        assert client.get_all_flags("ada") == {}
        event_id = client.capture("bought", distinct_id="ada", properties={"total": 3})
        client.set(distinct_id="ada", properties={"plan": "pro"})
        client.capture("looked")
        client.shutdown()
    assert errors == []
    found = {event["name"]: event for event in project.events()}
    assert found.keys() == {"bought", "$set", "looked"}
    assert (found["bought"]["event_id"], found["bought"]["user_id"]) == (event_id, "ada")
    assert (found["$set"]["kind"], found["$set"]["fields"]) == ("identify", {"traits": {"plan": "pro"}})
    assert found["looked"]["anonymous_id"]


def event(project: Project, uuid: str, **more: Any) -> dict[str, Any]:
    key = {"token": project.write_key}
    return {"event": "thing", "uuid": uuid, "properties": {"distinct_id": "d", **key}, **more}


def test_every_path_answers_with_and_without_its_slash(project: Project) -> None:
    for path in posthog.PATHS:
        if path.rstrip("/") in posthog.EVENT_PATHS:
            answer = project.send(path, event(project, path))
            assert (answer.status, answer.body) == (200, {"status": 1}), path
        else:
            for method in ("GET", "POST"):
                answer = project.send(path, {} if method == "POST" else None, method=method)
                assert (answer.status, answer.body["featureFlags"], answer.body["flags"]) == (200, {}, {}), path
    assert len(project.events()) == 2 * len(posthog.EVENT_PATHS)


def test_a_group_that_a_server_describes_is_nobody() -> None:
    group = {"$group_type": "company", "$group_key": "acme", "$group_set": {"seats": 3}}
    for who, user in (("$company_acme", None), ("u1", "u1")):
        found = row("$groupidentify", distinct_id=who, properties=group)
        assert (found.name, found.user_id) == ("$groupidentify", user)


def test_a_repeated_uuid_is_answered_again_and_stored_once(project: Project) -> None:
    for _ in range(2):
        assert project.send("/capture/", event(project, "u1")).body == {"status": 1}
    assert project.event()["event_id"] == "u1"


def test_bodies_come_in_every_wrapping_that_the_sdks_use(project: Project) -> None:
    def body(uuid: str) -> bytes:
        return json.dumps([event(project, uuid)]).encode()

    packed = gzip.compress(body("header"))
    assert project.send("/e/", packed, Content_Encoding="gzip", Content_Type="text/plain").status == 200
    assert (
        project.send("/e/?compression=gzip-js", gzip.compress(body("query")), Content_Type="text/plain").status == 200
    )
    assert project.send("/batch/?compression=gzip", gzip.compress(body("gzip"))).status == 200
    coded = "data=" + quote(base64.b64encode(body("form")).decode())
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert project.send("/e/?compression=base64", coded.encode(), **form).status == 200
    assert (
        project.send("/e/", ("compression=base64&" + coded.replace("data=", "x=&data=")).encode(), **form).status == 200
    )
    assert project.send("/e/", ("data=" + quote(body("plain").decode())).encode(), **form).status == 200
    assert project.send("/capture/", base64.b64encode(body("bare"))).status == 200
    batch = {"api_key": project.write_key, "batch": json.loads(body("batch")), "sent_at": clock.iso(clock.now())}
    assert project.send("/batch", batch).status == 200
    found = {stored["event_id"] for stored in project.events()}
    assert found == {"header", "query", "gzip", "form", "plain", "bare", "batch"}


def test_the_status_codes_tell_an_sdk_whether_to_try_again(project: Project) -> None:
    assert project.send("/batch/", {"api_key": "qk_wrong", "batch": []}).status == 401
    assert project.send("/batch/", {"batch": []}).status == 401
    assert project.send("/e/", b"\xff\xfe").status == 400
    assert project.send("/e/?compression=lz64", b"x").status == 400
    assert project.send("/e/", {"api_key": project.write_key, "event": "no id"}).status == 400
    some = {"api_key": project.write_key, "batch": [event(project, "good"), {"event": "no id"}]}
    answer = project.send("/batch/", some)
    assert (answer.status, answer.body["status"], answer.body["refused"][0]["index"]) == (200, 1, 1)
    assert project.event()["event_id"] == "good"


def test_posthog_js_gets_its_configuration_as_json_and_as_a_script(project: Project) -> None:
    told = project.send(f"/array/{project.write_key}/config", method="GET")
    assert (told.status, told.body["supportedCompression"]) == (200, ["gzip", "gzip-js"])
    script = project.send(f"/array/{project.write_key}/config.js", method="GET", Origin="https://shop.example")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert f"['{project.write_key}']" in script.body
    assert script.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert project.send("/array/%27%5D%3Balert(1)/config.js", method="GET").status == 404


def test_a_browser_of_any_page_may_send_with_headers_of_its_own(project: Project) -> None:
    asked = project.send(
        "/i/v0/e/", method="OPTIONS", Origin="https://shop.example", Access_Control_Request_Headers="x-posthog-session"
    )
    assert (asked.status, asked.headers["Access-Control-Allow-Headers"]) == (204, "x-posthog-session")
    assert asked.headers["Access-Control-Allow-Origin"] == "https://shop.example"

"""What people of other systems type, at a running Quadra: docs/coming-from.md, name by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import socketio

from quadra.core.api import legacy_routes
from quadra.core.api.legacy_routes import ALSO, PAGES
from tests.clients import Answer, PlainPacket, eventually, send
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs") / "quadra"


@pytest.fixture(scope="module")
def quadra(keeper: Keeper, logs: Path) -> Iterator[QuadraProcess]:
    env = {"USE_STRUCTURED_LOGGING": "true", "QUADRA_LOGS_DIR": str(logs)}
    with closing(QuadraProcess(keeper, env)) as server:
        yield server


def ask(quadra: QuadraProcess, path: str, body: Any = None, method: str = "GET") -> Answer:
    authorised = {"Authorization": f"Bearer {quadra.init['admin_key']}"}
    return send(quadra, path, body, method=method, key=None, **authorised)


@pytest.mark.parametrize(("path", "other"), [(path, other) for path, others in ALSO.items() for other in others])
def test_an_old_address_answers_as_the_new_one_does(quadra: QuadraProcess, path: str, other: str) -> None:
    for method, body in (("GET", None), ("POST", {"nonsense": 1})):
        found, wanted = ask(quadra, other, body, method), ask(quadra, path, body, method)
        assert (found.status, found.headers["Content-Type"]) == (wanted.status, wanted.headers["Content-Type"])
        assert found.status in (200, 400, 404, 405)
        if found.status == 400:
            assert found.json["error"]["fields"] == wanted.json["error"]["fields"]
    strangers = [send(quadra, each, method="GET", key=None).status for each in (path, other)]
    assert strangers[0] == strangers[1]


@pytest.mark.parametrize("path", PAGES)
def test_an_old_page_leads_to_the_one_that_shows_it(quadra: QuadraProcess, path: str) -> None:
    answer = ask(quadra, path)
    assert (answer.status, answer.headers["Location"]) == (302, PAGES[path])


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
def test_sockets_are_also_where_others_had_them(quadra: QuadraProcess, transports: list[str]) -> None:
    client, key = socketio.Client(serializer=PlainPacket), {"key": quadra.init["write_key"]}
    client.connect(
        quadra.base_url, auth=key, transports=transports, socketio_path=legacy_routes.SOCKETS, wait_timeout=30
    )
    try:
        answer = client.call("user:event", {"eventId": str(transports), "eventType": "hello", "userId": "u"})
        assert answer["duplicate"] is False
    finally:
        client.shutdown()


def test_a_path_without_a_slash_at_its_end_begins_a_connection(quadra: QuadraProcess) -> None:
    assert send(quadra, "/api/socket?EIO=4&transport=polling", method="GET", key=None).body.startswith(b"0{")
    assert send(quadra, "/api/sockets?EIO=4&transport=polling", method="GET", key=None).status == 404


@pytest.mark.parametrize("language", ["curl", "python", "node", "javascript", "html"])
def test_an_example_in_a_language_names_this_server(quadra: QuadraProcess, language: str) -> None:
    answer = send(quadra, f"/demo/{language}", method="GET", key=None)
    assert answer.status == 200
    assert quadra.base_url.encode() in answer.body
    assert b"&#" not in answer.body


def test_a_run_that_was_completed_shows_no_number_of_its_end(quadra: QuadraProcess) -> None:
    done = {"funnel_name": "buy", "session_id": "s", "user_id": "shown", "event_id": "end-of-a-run"}
    assert send(quadra, "/api/analytics/user/funnels/complete", done).status == 200
    (shown,) = ask(quadra, "/api/analytics/user/events?user_id=shown").json["events"]
    assert shown["fields"] == {"funnel_name": "buy", "stage": "completed"}


def test_a_header_that_a_server_passes_on_says_whose_browser_it_was(quadra: QuadraProcess) -> None:
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1"
    for user, agent in (("ios", phone), ("lib", "python-requests/2.32"), ("app", "MyServer/1.0")):
        assert send(quadra, body={"event_type": "x", "user_id": user}, User_Agent=agent).status == 200
    found = {
        user: ask(quadra, f"/api/analytics/user/events?user_id={user}").json["events"][0]
        for user in ("ios", "lib", "app")
    }
    assert {user: one["device_type"] for user, one in found.items()} == {"ios": "mobile", "lib": None, "app": None}
    assert (found["ios"]["os"], found["ios"]["bot"]) == ("iOS", False)


def test_a_metric_of_a_business_counts_under_its_name_whatever_its_category(quadra: QuadraProcess) -> None:
    metric = {
        "kind": "metric",
        "metric_name": "revenue",
        "metric_value": 5,
        "category": "sales",
        "business_id": "default",
    }
    assert send(quadra, body=metric).status == 200
    assert ask(quadra, "/business/status?business_id=default").json["revenue"]["total"] == 5


def test_every_line_of_every_stream_is_json_and_holds_no_secret(quadra: QuadraProcess, logs: Path) -> None:
    assert [line for line in quadra.log().splitlines() if not line.startswith("{")] == []
    lines = [json.loads(line) for line in quadra.log().splitlines()]
    (started,) = [line for line in lines if line["event"] == "serve.process.started"]
    assert started["address"] == quadra.base_url
    assert {"module", "function", "line", "environment"} <= started.keys()
    for secret in ("write_key", "admin_key", "admin_password"):
        assert quadra.init[secret] not in quadra.log()
    everything = (logs / "quadra_matrix.json.log").read_text()
    assert [json.loads(line) for line in everything.splitlines()]
    assert (logs / "quadra_matrix_error.json.log").exists()


def test_a_refused_request_is_in_the_log_under_its_id(quadra: QuadraProcess) -> None:
    asked = {
        "whole-1": ("/api/events", b"{"),
        "some-1": ("/api/events", [{"event_type": "x"}, {"nothing": 1}]),
        "typed-1": ("/api/analytics/user/features/track", {"action": "used"}),
    }
    for name, (path, body) in asked.items():
        send(quadra, path, body, X_Request_ID=name)

    def found() -> dict[str, Any]:
        lines = [json.loads(line) for line in quadra.log().splitlines() if "ingest.request.refused" in line]
        return {line["request_id"]: line for line in lines}

    eventually(lambda: asked.keys() <= found().keys(), 20)
    assert "not JSON" in found()["whole-1"]["reason"]
    assert (found()["some-1"]["refused_events"], found()["some-1"]["status"]) == (1, 200)
    assert "feature_name" in found()["typed-1"]["reason"]


def test_a_language_without_an_example_is_told_which_there_are(quadra: QuadraProcess) -> None:
    answer = send(quadra, "/demo/cobol", method="GET", key=None)
    assert answer.status == 404
    assert "curl, html, node and python" in answer.json["error"]["message"]

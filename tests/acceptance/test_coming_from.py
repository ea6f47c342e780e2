"""What people of other systems type, at a running Quadra: docs/coming-from.md, name by name."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import socketio

from quadra.core import environment
from quadra.core.api import legacy_routes
from quadra.core.api.legacy_routes import ALSO, PAGES
from quadra.core.settings import Settings
from quadra.ingest.importers import formats
from tests.acceptance import coming_from as page
from tests.clients import Answer, PlainPacket, send
from tests.deploy.test_pipelines import assert_parses
from tests.servers import commands
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs") / "quadra"


@pytest.fixture(scope="module")
def quadra(keeper: Keeper, logs: Path) -> Iterator[QuadraProcess]:
    # a sender has five lines a minute: tests that look for theirs come from an address of their own
    env = {"USE_STRUCTURED_LOGGING": "true", "QUADRA_LOGS_DIR": str(logs), "QUADRA_TRUSTED_PROXIES": "127.0.0.1"}
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
        quadra.base_url, auth=key, transports=transports, socketio_path=legacy_routes.SOCKETS, wait_timeout=90
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
        send(quadra, path, body, X_Request_ID=name, X_Forwarded_For="198.51.100.7")
    eventually(lambda: asked.keys() <= {line["request_id"] for line in refusals(quadra)})
    found = {line["request_id"]: line for line in refusals(quadra)}
    assert "not JSON" in found["whole-1"]["reason"]
    assert (found["some-1"]["refused_events"], found["some-1"]["status"]) == (1, 200)
    assert "feature_name" in found["typed-1"]["reason"]


def test_what_a_socket_was_refused_is_in_the_log_under_the_id_of_its_connection(quadra: QuadraProcess) -> None:
    headers = {"X-Request-ID": "socket-1", "X-Forwarded-For": "198.51.100.8"}
    client = socketio.Client(serializer=PlainPacket)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(quadra.base_url, auth={"key": "qk_none"}, headers=headers, transports=["websocket"])
    client.connect(quadra.base_url, auth={"key": quadra.init["write_key"]}, headers=headers, transports=["websocket"])
    try:
        assert client.call("user:event", {"eventId": "bad-1"})["code"] == "invalid"
        good = {"eventId": "good-1", "eventType": "x", "userId": "u"}
        assert client.call("user:events", [good, {"eventId": "bad-3"}])["stored"] == 1
        assert client.call("user:events", "no array")["code"] == "invalid"
        assert client.call("user:other", {})["code"] == "unknown_event"
        assert client.call("user:event", {"eventId": "bad-2"})["code"] == "invalid"  # one more than has a line
    finally:
        client.shutdown()

    def lines() -> list[dict[str, Any]]:
        return [line for line in refusals(quadra) if line["request_id"] == "socket-1"]

    eventually(lambda: len(lines()) >= 5)
    assert [line["path"] for line in lines()][:5] == [
        "connect",
        "user:event",
        "user:events",
        "user:events",
        "user:other",
    ]
    assert (lines()[1]["event_id"], lines()[2]["refused_events"], lines()[0]["code"]) == ("bad-1", 1, "unauthorised")
    assert all(line["reason"] for line in lines())


def refusals(quadra: QuadraProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in quadra.log().splitlines() if "ingest.request.refused" in line]


def test_a_language_without_an_example_is_told_which_there_are(quadra: QuadraProcess) -> None:
    answer = send(quadra, "/demo/cobol", method="GET", key=None)
    assert answer.status == 404
    assert "curl, html, node and python" in answer.json["error"]["message"]


def test_every_name_of_the_page_is_typed_by_some_test() -> None:
    assert sorted(page.TYPED) == sorted(name for kind in page.KINDS for name in kind)
    assert all(kind for kind in page.KINDS)


@pytest.mark.parametrize("name", page.SETTINGS)
def test_a_setting_of_the_page_is_read_or_answered(name: str) -> None:
    name = name.partition("=")[0]
    assert name in {*environment.PLAIN, *environment.RENAMED, *environment.OWN, *environment.ANSWERED}


@pytest.mark.parametrize("name", page.REQUESTS)
def test_an_address_of_the_page_is_a_door(quadra: QuadraProcess, name: str) -> None:
    method, path = name.split()
    answer = ask(quadra, path, None if method == "GET" else {}, method)
    if answer.status in (401, 403):
        answer = send(quadra, path, {}, method=method)
    if path == legacy_routes.SOCKETS:
        assert answer.status == 400  # it wants to know which protocol
        assert b"transport" in answer.body or b"version" in answer.body
    else:
        assert answer.status in (200, 202, 302, 400), answer.body


@pytest.mark.parametrize("event", page.EVENTS)
def test_an_event_of_the_page_is_stored(quadra: QuadraProcess, event: str) -> None:
    answer = send(quadra, body=event.encode())
    assert (answer.json["stored"], answer.json["refused"]) == (1, 0)


def test_the_queries_of_the_page_are_answered_by_the_database(quadra: QuadraProcess) -> None:
    with sqlite3.connect(quadra.directory / "data" / "quadra.db") as connection:
        for query in page.QUERIES:
            assert connection.execute(query).fetchone()[0] >= 0
    connection.close()


@pytest.mark.parametrize("name", page.FILES)
def test_a_log_of_the_page_is_there(quadra: QuadraProcess, logs: Path, name: str) -> None:
    assert quadra.running
    assert (logs / name).exists()


THEIR_OWN = {
    "run_benchmarks.py": "tests/bench",
    "configure_volumes.sh": "tests/deploy/test_scripts.py",
    "setup_automated_backups.sh": "tests/deploy/test_scripts.py",
}
"""Scripts that do more than to type a command -> the test that types them."""
WANTED = {"recover_pitr.py": ["--to", "2026-01-01T00:00:00Z"], "promote_replica.py": ["b.example:5432"]}


@pytest.mark.parametrize("name", page.SCRIPTS)
def test_a_script_of_the_page_types_commands_that_are_there_to_a_fake_quadra(name: str, tmp_path: Path) -> None:
    script = Path(name).name
    assert os.access(page.TOP / name, os.X_OK)
    if script in THEIR_OWN:
        assert (page.TOP / THEIR_OWN[script]).exists()
        return
    shutil.copytree(page.TOP / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "quadra").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "bin" / "quadra").chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    command = [tmp_path / "scripts" / script, *WANTED.get(script, [])]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout
    for line in done.stdout.splitlines():
        assert_parses(line.split())


@pytest.mark.parametrize("name", page.COMPOSE)
def test_the_files_of_compose_are_found(name: str) -> None:
    files = [word for word in name.split() if word.endswith(".yml")]
    assert len(files) == 2
    assert all((page.TOP / file).is_file() for file in files)


@pytest.mark.parametrize("name", page.ALEMBIC)
def test_a_command_of_alembic_is_one(name: str) -> None:
    done = commands.run_module("alembic", name.split()[1], "--help", env=dict(os.environ), cwd=page.TOP)
    assert done.returncode == 0


@pytest.mark.parametrize("name", sorted({name for name in page.INSTEAD if name.startswith("quadra ")}))
def test_a_command_that_the_page_names_is_there(name: str) -> None:
    words = [word for word in name.split()[1:] if not word.startswith("-")]
    words = words[:1] if "--format" in name else words
    done = commands.quadra_command(*words, "--help", env=dict(os.environ))
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: quadra {' '.join(words)}")
    if "--format" in name:
        assert name.rsplit(maxsplit=1)[-1] in formats.NAMES


FAKE_K6 = {
    "index.js": """
export const check = (value, tests) => Object.values(tests).map((test) => test(value));
export const sleep = () => {};""",
    "metrics.js": "export class Counter { add() {} }",
    "http.js": """
const asked = (method, url, body, params) => {
  console.log(JSON.stringify({ method, url, body, headers: params.headers }));
  return { status: 200, headers: {}, json: () => 50 };
};
export default {
  expectedStatuses: () => null,
  post: (url, body, params) => asked("POST", url, body, params),
  get: (url, params) => asked("GET", url, null, params),
};""",
}


def test_quadra_takes_what_the_scenario_of_a_fake_k6_sends(quadra: QuadraProcess, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not available here")
    modules = tmp_path / "node_modules" / "k6"
    modules.mkdir(parents=True)
    for name, text in FAKE_K6.items():
        (modules / name).write_text(text)
    exports = {".": "./index.js", "./http": "./http.js", "./metrics": "./metrics.js"}
    (modules / "package.json").write_text(json.dumps({"name": "k6", "type": "module", "exports": exports}))
    shutil.copy(page.TOP / "deploy" / "k6" / "quadra.js", tmp_path / "quadra.mjs")
    keys = {
        "QUADRA_URL": quadra.base_url,
        "QUADRA_KEY": quadra.init["write_key"],
        "QUADRA_READ_KEY": quadra.init["admin_key"],
    }
    (tmp_path / "run.mjs").write_text(
        f"Object.assign(globalThis, {{ __ENV: {json.dumps(keys)}, __VU: 1, __ITER: 1 }});\n"
        'const scenario = await import("./quadra.mjs");\n'
        "for (const each of Object.values(scenario.options.scenarios)) scenario[each.exec]();\n"
    )
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    stored, looked = (json.loads(line) for line in done.stdout.splitlines())
    answer = send(quadra, "/api/events", stored["body"].encode(), X_Quadra_Key=stored["headers"]["X-Quadra-Key"])
    assert (answer.json["stored"], answer.json["refused"]) == (50, 0)
    path = looked["url"].removeprefix(quadra.base_url)
    assert send(quadra, path, method="GET", key=None, **looked["headers"]).status == 200


def test_every_setting_that_the_page_names_is_there() -> None:
    named = {name for name in page.INSTEAD if name.startswith("QUADRA_")}
    assert len(named) > 5
    assert {name.removeprefix("QUADRA_").lower() for name in named} <= Settings.model_fields.keys()

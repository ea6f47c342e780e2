"""The live namespace of the real server: who may watch, what they see, and what they see after they were away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import socketio.exceptions

from quadra.core import clock
from quadra.core.database import Database
from quadra.dashboard.live import JOINS
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from tests.clients import SocketClient, connected, database_of, event, make_key, make_project, send
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

NAMES = ("metrics_update", "admin:event", "catch_up")


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        yield process


@pytest.fixture
def project(quadra: QuadraProcess) -> dict[str, str]:
    """A project without events: {"slug", "write", "read"}."""
    made = make_project(quadra)
    return {**made, "read": make_key(quadra, "read", made["slug"])["key"]}


@contextmanager
def watching(quadra: QuadraProcess, project: dict[str, str], **wanted: Any) -> Iterator[tuple[SocketClient, Any]]:
    """A viewer who has joined, and what the join answered."""
    with connected(quadra, auth={"key": project["read"]}, namespace="/live", names=NAMES) as client:
        answer = client.call("admin:join", {"project": project["slug"], **wanted})
        yield client, answer


def today(client: SocketClient) -> int:
    updates = client.payloads("metrics_update")
    return int(updates[-1]["totals"]["today"]) if updates else -1


@pytest.mark.parametrize("scope", ["ingest", "nobody's"])
def test_watching_needs_a_viewer(quadra: QuadraProcess, project: dict[str, str], scope: str) -> None:
    plain = project["write"] if scope == "ingest" else "qk_nobody"
    for auth in ({"key": plain}, {}, {"key": None}, "text"):
        if auth in ({}, {"key": None}, "text") and scope == "ingest":
            continue
        with pytest.raises(socketio.exceptions.ConnectionError), connected(quadra, auth=auth, namespace="/live"):
            pass


def test_a_viewer_whose_key_is_revoked_while_connected_is_gone_within_45_seconds(
    quadra: QuadraProcess, project: dict[str, str]
) -> None:
    """And a person who loses their role in the project hears no more of it, while they stay for another one."""
    admin = {"Authorization": f"Bearer {quadra.init['admin_key']}"}
    role, headers = _let_in(quadra, project["slug"], admin)
    revoked = make_key(quadra, "read", project["slug"])
    # whoever connects later is asked again later: once the key's viewer is gone, the person was asked too
    with connected(quadra, auth={}, namespace="/live", names=NAMES, headers=headers) as person:
        assert person.call("admin:join", {"project": project["slug"]})["ok"] is True
        with watching(quadra, project | {"read": revoked["key"]}) as (gone, _), watching(quadra, project) as (stays, _):
            assert send(quadra, role, method="DELETE", key=None, **admin).status == 200
            assert send(quadra, f"/api/keys/{revoked['id']}", method="DELETE", key=None, **admin).status == 200
            eventually(lambda: gone.namespace not in gone.io.namespaces)
            assert stays.namespace in stays.io.namespaces
            assert send(quadra, body=event(), key=project["write"]).status == 200
            stays.wait_for(lambda: today(stays) == 1)
            assert gone.payloads("admin:event") == person.payloads("admin:event") == []
        assert person.call("admin:join", {"project": project["slug"]})["error"]["code"] == "not_found"
        assert person.call("admin:join", {"project": "default"})["ok"] is True


def _let_in(quadra: QuadraProcess, slug: str, admin: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Somebody who is logged in and sees two projects: the path of their role in this one, and their headers."""
    path, email, password = f"/api/projects/{slug}/people", f"{slug}@example.com", "correct horse battery"
    made = send(quadra, path, {"email": email}, key=None, **admin).json
    assert send(quadra, "/api/projects/default/people", {"email": email}, key=None, **admin).status == 201
    chosen = {"token": made["link"]["url"].partition("#")[2], "new_password": password}
    assert send(quadra, "/api/auth/password-link", chosen, key=None).status == 200
    entered = send(quadra, "/api/auth/login", {"email": email, "password": password}, key=None)
    cookies = "; ".join(one.partition(";")[0] for one in entered.headers.get_all("Set-Cookie"))
    return f"{path}/{made['person']['id']}", {"Cookie": cookies, "Origin": quadra.base_url}


def test_a_read_key_sees_its_own_project_and_no_other(quadra: QuadraProcess, project: dict[str, str]) -> None:
    with watching(quadra, project) as (client, answer):
        assert answer["ok"] is True
        assert answer["project"]["slug"] == project["slug"]
        for other in ("default", "nothing", "", "../x", 5, None):
            refused = client.call("admin:join", {"project": other})
            assert refused["error"]["code"] == "not_found", other
        assert send(quadra, body=event()).status == 200  # into the project `default`
        assert send(quadra, body=event(), key=project["write"]).status == 200
        client.wait_for(lambda: today(client) == 1)
        time.sleep(1.5)
        assert {payload["project"] for _, payload in client.heard} == {project["slug"]}
        assert today(client) == 1


@pytest.mark.parametrize("payload", [None, 5, "text", [], {"project": ["x"]}, {"cursor": "x"}, {"cursor": -1}])
def test_any_junk_to_join_and_leave_is_answered(quadra: QuadraProcess, project: dict[str, str], payload: Any) -> None:
    with watching(quadra, project) as (client, _):
        assert isinstance(client.call("admin:join", payload), dict)
        assert client.call("admin:leave", payload) == {"ok": True}
        joined = client.call("admin:join", {"project": project["slug"], "cursor": "9" * 60})
        assert joined["ok"] is True


def test_one_connection_joins_so_often_in_a_minute_and_others_go_on(
    quadra: QuadraProcess, project: dict[str, str]
) -> None:
    with watching(quadra, project) as (client, _):
        answers = [client.call("admin:join", {"project": project["slug"]}) for _ in range(JOINS)]
        assert [answer.get("error", {}).get("code") for answer in answers] == [None] * (JOINS - 1) + ["limited"]
    with watching(quadra, project) as (_, answer):
        assert answer["ok"] is True


def test_an_event_is_soon_visible(quadra: QuadraProcess, project: dict[str, str]) -> None:
    with watching(quadra, project) as (client, answer):
        assert answer["snapshot"]["totals"]["today"] == 0
        one = event(userId="ada")
        assert send(quadra, body=one, key=project["write"]).status == 200
        client.wait_for(lambda: today(client) == 1)  # within a second, where the machine is not busy
        client.wait_for(lambda: client.payloads("admin:event"))
        (sample,) = client.payloads("admin:event")[0]["events"]
        assert (sample["eventId"], sample["userId"]) == (one["eventId"], "ada")
        numbers = client.payloads("metrics_update")[-1]
        assert numbers["activeUsers"] == 1
        assert numbers["byType"] == [{"name": "clicked", "count": 1, "before": 0}]


def test_whoever_leaves_hears_no_more(quadra: QuadraProcess, project: dict[str, str]) -> None:
    with watching(quadra, project) as (client, _), watching(quadra, project) as (other, _):
        client.call("admin:leave", {"project": project["slug"]})
        send(quadra, body=event(), key=project["write"])
        other.wait_for(lambda: today(other) == 1)
        assert client.heard == []


def test_updates_come_at_most_ten_times_a_second_and_the_last_one_is_right(
    quadra: QuadraProcess, project: dict[str, str]
) -> None:
    with watching(quadra, project) as (client, _):
        began = time.monotonic()
        for _ in range(60):
            send(quadra, body=event(), key=project["write"])
        client.wait_for(lambda: today(client) == 60)
        updates = len(client.payloads("metrics_update"))
        assert updates <= 10 * (time.monotonic() - began) + 2


@pytest.fixture
def elsewhere(quadra: QuadraProcess, project: dict[str, str]) -> Iterator[Callable[..., None]]:
    """Another process's writer on the same database: `elsewhere("id", …)` stores events of the project."""
    with database_of(quadra) as database:
        log = Log(database, writer="elsewhere", batch_max_events=3, job_kinds={})
        project_id = _project_id(database, project["slug"])

        def store(*names: str, seconds_ago: float = 0) -> None:
            at = clock.now_us() - int(seconds_ago * 1e6)
            log.append([Row(project_id, name, "event", "far", "far", at, at, user_id="bob") for name in names])

        yield store


def _project_id(database: Database, slug: str) -> int:
    with database.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT id FROM project WHERE slug = ?", (slug,)).scalar_one())


def test_what_another_process_stores_is_counted_once_with_what_this_one_does(
    quadra: QuadraProcess, project: dict[str, str], elsewhere: Callable[..., None]
) -> None:
    elsewhere("before-1", "before-2")
    with watching(quadra, project) as (client, answer):
        assert answer["snapshot"]["totals"]["today"] == 2
        assert {one["eventId"] for one in answer["latest"]} == {"before-1", "before-2"}
        for turn in range(10):
            elsewhere(f"a-{turn}", f"b-{turn}")
            send(quadra, body=[event(), event(eventId="same")], key=project["write"])
        client.wait_for(lambda: today(client) == 2 + 20 + 11)
        time.sleep(2.5)  # further looks at the database must not count anything again
        send(quadra, body=event(), key=project["write"])
        client.wait_for(lambda: today(client) == 34)
    with watching(quadra, project) as (_, answer):
        assert answer["snapshot"]["totals"]["today"] == 34


def test_after_a_gap_the_viewer_hears_exactly_what_was_missed(
    quadra: QuadraProcess, project: dict[str, str], elsewhere: Callable[..., None]
) -> None:
    with watching(quadra, project) as (client, _):
        send(quadra, body=[event() for _ in range(3)], key=project["write"])
        client.wait_for(lambda: today(client) == 3)
        cursor = client.payloads("metrics_update")[-1]["cursor"]
    missed = [event() for _ in range(4)]
    send(quadra, body=missed, key=project["write"])
    elsewhere("missed-1", "missed-2")
    with watching(quadra, project, cursor=cursor) as (client, _):
        client.wait_for(lambda: client.payloads("catch_up"))
        (found,) = client.payloads("catch_up")
        assert found["missed"] == 6
        assert {one["eventId"] for one in found["events"]} == {
            "missed-1",
            "missed-2",
            *(one["eventId"] for one in missed),
        }
        assert found["from"] <= found["to"]
        client.wait_for(lambda: today(client) == 9)
        cursor = client.payloads("metrics_update")[-1]["cursor"]
    with watching(quadra, project, cursor=cursor) as (client, _):
        client.wait_for(lambda: client.payloads("catch_up"))
        assert client.payloads("catch_up")[0]["missed"] == 0


def test_what_was_received_before_the_cursor_and_committed_after_it_was_missed_too(
    quadra: QuadraProcess, project: dict[str, str], elsewhere: Callable[..., None]
) -> None:
    elsewhere("slow-1")
    with watching(quadra, project) as (client, _):
        send(quadra, body=[event(), event()], key=project["write"])
        client.wait_for(lambda: today(client) == 3)
        cursor = client.payloads("metrics_update")[-1]["cursor"]
    elsewhere("slow-2", "slow-3", "slow-4", seconds_ago=5)  # into an older batch, and into a new one
    send(quadra, body=event(eventId="new"), key=project["write"])
    with watching(quadra, project, cursor=cursor) as (client, answer):
        client.wait_for(lambda: client.payloads("catch_up"))
        (found,) = client.payloads("catch_up")
        assert found["missed"] == 4
        assert {one["eventId"] for one in found["events"]} >= {"slow-2", "slow-3", "slow-4", "new"}
        client.wait_for(lambda: today(client) == 7 or answer["snapshot"]["totals"]["today"] == 7)


@pytest.mark.parametrize("cursor", ["", "7", "00000000-0000.0.0", "zzzzzzzz-0000.1.1", "01970000-0000.1", ".0.0"])
def test_a_cursor_that_is_none_or_too_old_catches_up_nothing_and_joins(
    quadra: QuadraProcess, project: dict[str, str], cursor: str
) -> None:
    send(quadra, body=event(), key=project["write"])
    with watching(quadra, project, cursor=cursor) as (client, answer):
        assert answer["snapshot"]["totals"]["today"] == 1
        assert client.payloads("catch_up") == []


def test_a_viewer_counts_on_after_a_restart_of_the_server(quadra: QuadraProcess, project: dict[str, str]) -> None:
    send(quadra, body=[event(), event()], key=project["write"])
    quadra.restart()
    with watching(quadra, project) as (client, answer):
        assert answer["snapshot"]["totals"]["today"] == 2
        send(quadra, body=event(), key=project["write"])
        eventually(lambda: today(client) == 3)

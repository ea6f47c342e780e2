"""Following the log from outside of the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from quadra.core import clock
from quadra.core.database import Database
from quadra.ingest.log import Log
from quadra.ingest.tables import Event
from quadra.ingest.tail import Follower, as_line
from tests.ingest.conftest import opened, row
from tests.servers.quadra import QuadraProcess


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as database:
        yield database


def follower(database: Database, **options: object) -> Follower:
    given = {"since": clock.now() - timedelta(minutes=1), "batch_max_age": timedelta(minutes=10), **options}
    return Follower(database, 1, **given)  # type: ignore[arg-type]


def names(found: Iterator[Event]) -> list[str]:
    return [event.event_id for event in found]


def log(database: Database, writer: str = "w1", batch_max_events: int = 3) -> Log:
    return Log(database, writer=writer, batch_max_events=batch_max_events)


def test_each_event_comes_once_from_open_and_sealed_batches_of_all_writers(database: Database) -> None:
    one, two, tail = log(database), log(database, "w2"), follower(database)
    one.append([row("a1"), row("a2")])
    two.append([row("b1")])
    assert names(tail.poll()) == ["a1", "a2", "b1"]
    assert names(tail.poll()) == []
    one.append([row("a3")])  # seals the batch
    one.append([row("a4")])
    two.append([row("b2"), row("b1")])
    assert sorted(names(tail.poll())) == ["a3", "a4", "b2"]
    assert names(tail.poll()) == []


def test_only_what_came_since_then_is_shown_also_of_a_batch_that_is_older(database: Database) -> None:
    at = clock.now_us()
    writer = log(database, batch_max_events=100)
    writer.append([row("old", received_at=at - 3_600_000_000), row("new")])
    assert names(follower(database).poll()) == ["new"]
    assert sorted(names(follower(database, since=clock.now() - timedelta(hours=2)).poll())) == ["new", "old"]


def test_kinds_names_and_projects_are_told_apart(database: Database) -> None:
    log(database).append([row("a"), row("b", kind="page", name="page_view"), row("c", name="other")])
    assert names(follower(database, kind="page").poll()) == ["b"]
    assert names(follower(database, name="other").poll()) == ["c"]
    assert names(Follower(database, 2, since=clock.EPOCH, batch_max_age=timedelta(minutes=10)).poll()) == []


def test_a_line_says_who_did_what_and_cannot_command_a_terminal(database: Database) -> None:
    log(database).append([row("a", name="evil\x1b[2Jname\nnext", user_id="ada", duration_ms=1500.0, bot=True)])
    (event,) = follower(database).poll()
    line = as_line(event)
    assert "\x1b" not in line
    assert "\n" not in line
    assert all(word in line for word in ("evil", "ada", "duration_ms=1500", "bot=true"))


@pytest.mark.parametrize("database_name", ["sqlite", "postgresql"])
def test_it_follows_a_running_server_until_ctrl_c(
    database_name: str, request: pytest.FixtureRequest, quadra_process: Callable[..., QuadraProcess]
) -> None:
    extra = {}
    if database_name == "postgresql":
        extra["DATABASE_URL"] = request.getfixturevalue("postgres").database()
    quadra = quadra_process(extra)
    environment = {**os.environ, "QUADRA_DATA_DIR": str(quadra.directory / "data"), **extra}
    command = [sys.executable, "-m", "quadra", "events", "tail", "--json", "--since", "1m"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for number in range(3):
            quadra_send(quadra, f"e{number}")
            assert json.loads(process.stdout.readline())["event_id"] == f"e{number}"
        process.send_signal(signal.SIGINT)
        rest, complaint = process.communicate(timeout=90)
    assert (process.returncode, rest, complaint) == (0, "", "")


def quadra_send(quadra: QuadraProcess, event_id: str) -> None:
    body = json.dumps({"event_type": "e", "event_id": event_id}).encode()
    key = {"X-Quadra-Key": str(quadra.init["write_key"])}
    with urllib.request.urlopen(urllib.request.Request(f"{quadra.base_url}/api/events", body, key), timeout=90) as sent:
        assert sent.status == 200

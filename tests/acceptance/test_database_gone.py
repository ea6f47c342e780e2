"""The database goes away, dead or frozen: senders are told to try again, nothing acknowledged is lost, all heals by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.load import Load, assert_kept
from tests.clients import connected, database_of, event, send
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.mark.parametrize("kind", [PostgresServer, MariadbServer])
@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_a_database_that_is_away_is_said_and_survived(
    way: str,
    kind: type[PostgresServer | MariadbServer],
    start_server: Callable[..., Any],
    quadra_process: Callable[..., QuadraProcess],
) -> None:
    server = start_server(kind)
    quadra = quadra_process({"DATABASE_URL": server.database(), "QUADRA_INGEST_TIMEOUT": "2s"})
    # the handshake is before, the message while it is away; without a callback as well
    with Load(quadra.init["write_key"]).on(quadra) as load, connected(quadra) as client:
        load.wait_for_more(300)
        if way == "killed":
            server.kill()
        else:
            server.pause()
        began = time.monotonic()
        while time.monotonic() - began < 7:  # longer than a key is remembered
            answer = send(quadra, body=event())
            assert (answer.status, answer.code) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert client.call("user:event", event())["code"] == "unavailable"
            assert client.call("user:events", [event()])["code"] == "unavailable"
            client.emit("user:event", event())
            client.wait_for(lambda: client.payloads("event:error"))
            assert {payload["code"] for payload in client.payloads("event:error")} == {"unavailable"}
            client.heard.clear()
            assert send(quadra, "/health", method="GET", timeout=60).status == 200
            assert send(quadra, "/health/ready", method="GET").status == 503
            assert send(quadra, body=event(), key="qk_nobody_knows").status == 503
        if way == "killed":
            server.start()
        else:
            server.resume()
        load.wait_for_more(300)
        eventually(lambda: send(quadra, "/health/ready", method="GET").status == 200)
        eventually(lambda: client.call("user:event", event()).get("duplicate") is False)
    with database_of(quadra) as database:
        assert_kept(load, database)
    assert {"unavailable", "503 unavailable"} <= set(load.refusals) <= {"unavailable", "503 unavailable"}

"""QUADRA_ASYNC_MODE: the same Quadra on gevent, and a wrong value refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.clients import assert_counts_are_rows, connected, database_of, event, send, send_raw, stored_ids
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_ASYNC_MODE": "gevent"}, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_gevent_answers_every_event_once_on_each_transport(quadra: QuadraProcess, transport: str) -> None:
    sent = [event() for _ in range(100)]
    acknowledged: list[dict[str, str]] = []
    with connected(quadra, transports=(transport,)) as client:
        for at, one in enumerate(sent):
            client.emit("user:event", one, acknowledged.append if at % 2 else None)
        client.wait_for(lambda: len(acknowledged) + len(client.heard) >= 100)
        assert client.call("user:events", [*sent, event()])["duplicates"] == 100
        assert client.call("user:event", None)["code"] == "invalid"
    with database_of(quadra) as database:
        assert {one["eventId"] for one in sent} <= set(stored_ids(database))
        assert_counts_are_rows(database)


def test_gevent_serves_http_and_pages(quadra: QuadraProcess) -> None:
    assert send(quadra, body=[event(), event()]).json["stored"] == 2
    assert send(quadra, body=event(), key="qk_wrong").status == 401
    assert send(quadra, "/login", method="GET", key=None).status == 200
    assert send(quadra, "/q.js", method="GET", key=None).headers["Content-Type"].startswith("text/javascript")
    assert send(quadra, "/health/ready", method="GET", key=None).status == 200


def test_gevent_reads_a_body_in_chunks_and_no_folded_header(quadra: QuadraProcess) -> None:
    head = f"POST /api/events HTTP/1.1\r\nHost: q\r\nConnection: close\r\nX-Quadra-Key: {quadra.init['write_key']}\r\n"
    body = b'{"event_type":"x"}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    answer = send_raw(quadra, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    assert b'"stored":1' in answer
    folded = f"{head}Origin: https://a.example\r\n Injected: yes\r\nContent-Length: {len(body)}\r\n\r\n"
    lines = send_raw(quadra, folded.encode() + body).partition(b"\r\n\r\n")[0].splitlines()
    assert not any(line.strip().startswith(b"Injected") for line in lines)
    assert lines[0].split()[1] in (b"200", b"400")


def test_gevent_lets_clients_come_back_after_a_restart_and_stops_with_0(quadra: QuadraProcess) -> None:
    options = {"reconnection": True, "reconnection_delay": 0.2, "reconnection_delay_max": 0.5}
    with connected(quadra, **options) as client:
        before = event()
        assert client.call("user:event", before)["duplicate"] is False
        assert quadra.terminate() == 0
        quadra.start()
        eventually(lambda: client.io.connected and "/" in client.io.namespaces)
        assert client.call("user:event", before)["duplicate"] is True


def test_a_mode_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    env = {**os.environ, "QUADRA_ASYNC_MODE": "twisted", "QUADRA_DATA_DIR": str(tmp_path), "QUADRA_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "quadra", "serve"], env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "QUADRA_ASYNC_MODE='twisted'" in done.stderr
    assert "eventlet" in done.stderr
    assert "gevent" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_only_the_library_of_the_mode_is_imported_by_the_loop(mode: str) -> None:
    names = "'eventlet' in sys.modules, 'gevent' in sys.modules"
    code = f"import sys; from quadra.core.web.loop import Loop; Loop({mode!r}); print({names})"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == [str(mode == "eventlet"), str(mode == "gevent")], done.stderr

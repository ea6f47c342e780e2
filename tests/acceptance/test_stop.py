"""Asked to stop in the middle of everything, Quadra stores and answers what it has taken, and leaves with 0."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.acceptance.load import Load, assert_kept
from tests.clients import connected, database_of, event
from tests.servers.quadra import QuadraProcess


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_stopping_under_load_loses_nothing_acknowledged_and_takes_seconds(
    number: signal.Signals, database_url: str, quadra_process: Callable[..., QuadraProcess]
) -> None:
    quadra = quadra_process({"DATABASE_URL": database_url})
    with Load(quadra.init["write_key"]).on(quadra) as load, connected(quadra) as idle:
        assert idle.call("user:event", event())["duplicate"] is False
        load.wait_for_more(500)
        os.kill(quadra.pid, number)
        assert quadra.wait(90) == 0
    assert "Stopped: everything acknowledged is stored." in quadra.log()
    assert "Traceback" not in quadra.log()
    with database_of(quadra) as database:
        assert_kept(load, database)
    assert set(load.refusals) <= {"stopping", "503 stopping"}


def test_a_client_that_is_between_two_polls_is_told_to_come_back(
    quadra_process: Callable[..., QuadraProcess],
) -> None:
    quadra = quadra_process()
    url = f"{quadra.base_url}/socket.io/?EIO=4&transport=polling"

    def ask(body: bytes | None = None) -> str:
        with urllib.request.urlopen(url, body, timeout=90) as answer:
            return str(answer.read().decode())

    url += f"&sid={json.loads(ask()[1:])['sid']}"
    assert ask(b"40" + json.dumps({"key": quadra.init["write_key"]}).encode()) == "OK"
    assert ask().startswith("40{")
    os.kill(quadra.pid, signal.SIGTERM)
    time.sleep(0.5)  # it thinks about what it got
    assert '"server:reconnect",{"reason":"restart"' in ask()
    assert quadra.wait(90) == 0

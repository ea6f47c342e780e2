"""The watcher with real releases, a real HAProxy, PostgreSQL and Redis: a deployment under load, faults, a killed watcher."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.clients import SocketClient, event, eventually, send
from tests.conftest import _start
from tests.servers import available
from tests.servers.available import NotAvailable
from tests.servers.base import free_port
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper, kill_tree
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

OURS = ("QUADRA_", "DATABASE_URL", "REDIS_URL")
FAULTS = {
    "exits": "echo 'no such module' >&2; exit 3",
    "hangs": "exec sleep 600",
}
"""What a bad release does instead of serving."""


class Rollout:
    """A directory with releases, and its watchers. `port` and `init` make it a target of tests/clients.py."""

    def __init__(self, keeper: Keeper, directory: Path, database: str, redis: str, balancer: str):
        self._keeper = keeper
        self.directory = directory / "rollout"
        self.port = free_port()
        self.watchers: list[subprocess.Popen[bytes]] = []
        self.log = directory / "watch.log"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "QUADRA_DATA_DIR": str(directory / "data"),
            "QUADRA_ROLLOUT_DIR": str(self.directory),
            "QUADRA_SELF_OBSERVE": "false",
            "QUADRA_RATE_LIMIT_INGEST": "0",
            "QUADRA_DRAIN_DELAY": "1s",
            "QUADRA_SUPERVISOR_CHECK": "1s",
            "QUADRA_SUPERVISOR_START_TIMEOUT": "45s",
            "QUADRA_SUPERVISOR_GATE_REQUESTS": "30",
            "QUADRA_SUPERVISOR_GATE_P95": "20s",
            "QUADRA_HEALTH_DISK_FAIL": "100",
            "PYTHONUNBUFFERED": "1",
        }
        self.command("init", "--public-port", str(self.port), "--replicas", "1", "--balancer", balancer)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def init(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "first_start.json").read_text())
        return found

    def command(self, *words: str, timeout: float = 150) -> tuple[int, Any]:
        done = quadra_command("rollout", *words, "--json", env=self.env, timeout=timeout)
        return int(done.returncode), json.loads(done.stdout) if done.stdout else done.stderr

    def release(self, name: str, serve: str = "") -> None:
        """A release that is this Quadra; its `serve` may be something worse."""
        program = self.directory / "releases" / name / "bin" / "quadra"
        program.parent.mkdir(parents=True)
        worse = f'if [ "$1" = serve ]; then {serve}; fi\n' if serve else ""
        program.write_text(f'#!/bin/sh\n{worse}exec {shlex.quote(sys.executable)} -m quadra "$@"\n')
        program.chmod(0o700)

    def watch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            watcher = subprocess.Popen(
                [sys.executable, "-m", "quadra", "rollout", "watch"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                start_new_session=True,
            )
        self._keeper.tell(f"pid {watcher.pid}")
        self.watchers.append(watcher)
        return watcher

    def status(self) -> Any:
        return self.command("status")[1]

    def deploy(self, name: str) -> tuple[int, Any]:
        code, said = self.command("deploy", name)
        for one in self.status()["processes"]:
            self._keeper.tell(f"pid {one['pid']}")
        return code, said

    def pids(self, role: str) -> list[int]:
        return [one["pid"] for one in self.status()["processes"] if one["role"] == role]

    def close(self) -> None:
        for watcher in self.watchers:
            watcher.kill()
            watcher.wait(30)
        with contextlib.suppress(FileNotFoundError):
            for one in json.loads((self.directory / "state.json").read_text())["processes"]:
                kill_tree(one["pid"])


@pytest.fixture(scope="module", params=["haproxy"])
def rollout(
    request: pytest.FixtureRequest, keeper: Keeper, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rollout]:
    """Watched, with the release `one` in use."""
    try:
        getattr(available, request.param)()
    except NotAvailable as reason:
        pytest.skip(f"{request.param} is not available here: {reason}")
    with ExitStack() as stack:
        redis = _start(RedisServer, keeper)
        stack.callback(redis.close)
        found = Rollout(keeper, tmp_path_factory.mktemp("rollout"), postgres.database(), redis.url, request.param)
        stack.callback(found.close)
        found.release("one")
        found.watch()
        eventually(lambda: found.status()["watcher"]["pid"], 60, found.log.read_text)
        code, said = found.deploy("one")
        assert code == 0, (said, found.log.read_text())
        yield found


class Load:
    """Events over HTTP and one socket, until told to stop."""

    def __init__(self, rollout: Rollout):
        self._rollout = rollout
        self._key = rollout.init["write_key"]
        self._stop = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.problems: list[str] = []
        self.acknowledged: set[str] = set()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(3)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self) -> None:
        """Over one connection as long as it lasts, as senders do: a balancer that is reloaded loses requests of such."""
        headers = {"X-Quadra-Key": self._key}
        with closing(HTTPConnection("127.0.0.1", self._rollout.port, timeout=30)) as connection:
            while not self._stop.is_set():
                sent = event()
                try:
                    connection.request("POST", "/api/events", json.dumps({"events": [sent]}), headers)
                    answer = connection.getresponse()
                    body = answer.read()
                except (OSError, HTTPException) as error:
                    self.problems.append(repr(error))
                    connection.close()
                    continue
                self.statuses[answer.status] += 1
                if answer.status == 200 and json.loads(body)["stored"] == 1:
                    self.acknowledged.add(sent["eventId"])
                else:
                    self.problems.append(f"{answer.status} {body[:300]!r}")
                time.sleep(0.01)


def test_a_good_release_costs_no_request_and_sockets_are_told_and_come_back(rollout: Rollout) -> None:
    rollout.release("two")
    before = rollout.pids("web")
    names = ("server:reconnect", "event:ack")
    options = {"reconnection_delay": 0.2, "reconnection_delay_max": 1}
    clients = {space: SocketClient(rollout.base_url, space, names, **options) for space in ("/", "/live")}
    with Load(rollout) as load:
        clients["/"].connect({"key": rollout.init["write_key"]}, ("websocket",))
        clients["/live"].connect({"key": rollout.init["admin_key"]}, ("polling",))
        clients["/live"].call("admin:join", {"project": "default"})  # from now on its polls come and go
        try:
            code, said = rollout.deploy("two")
            assert (code, said["status"]) == (0, "completed"), (said, rollout.log.read_text())
            for client in clients.values():
                assert [said["within_ms"] > 0 for said in client.payloads("server:reconnect")] == [True]
            eventually(lambda: all(client.io.connected for client in clients.values()), 60)
            sent = event()
            assert clients["/"].call("user:event", sent)["eventId"] == sent["eventId"]
        finally:
            for client in clients.values():
                client.close()
    assert load.problems == []
    assert set(load.statuses) == {200}
    assert load.statuses[200] > 50
    assert rollout.status()["release"] == "two"
    assert not set(before) & set(rollout.pids("web"))
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in before)
    again = {"events": [event(eventId=sent_id) for sent_id in load.acknowledged]}
    told = send(rollout, body=again, key=rollout.init["write_key"]).json  # known already: each is there, once
    assert (told["duplicates"], told["stored"]) == (len(load.acknowledged), 0)


@pytest.mark.parametrize(("fault", "kind"), [("exits", "deployment"), ("hangs", "health")])
def test_a_bad_release_leaves_the_old_one_untouched_and_says_which_gate(
    rollout: Rollout, fault: str, kind: str
) -> None:
    rollout.release(fault, FAULTS[fault])
    before = rollout.status()
    code, said = rollout.deploy(fault)
    assert (code, said["status"], said["failure_kind"]) == (1, "failed", kind)
    assert "web-" in said["reason"]
    after = rollout.status()
    assert [one["pid"] for one in after["processes"]] == [one["pid"] for one in before["processes"]]
    assert after["release"] == before["release"]
    assert send(rollout, "/health/ready", method="GET", key=None).status == 200
    newest = rollout.command("history")[1]["deployments"][0]
    assert (newest["release"], newest["status"], newest["trigger"]) == (fault, "failed", "cli")


def test_a_standby_adopts_what_a_killed_watcher_left_and_starts_again_what_is_killed(rollout: Rollout) -> None:
    before = rollout.status()
    standby = rollout.watch()
    eventually(lambda: "stands by" in rollout.log.read_text(), 60)
    assert rollout.status()["watcher"] == before["watcher"]
    os.kill(before["watcher"]["pid"], signal.SIGKILL)
    eventually(lambda: rollout.status()["watcher"]["pid"] == standby.pid, 30)
    after = rollout.status()
    assert [one["pid"] for one in after["processes"]] == [one["pid"] for one in before["processes"]]
    assert rollout.command("history")[1]["acts"] == []  # nothing was wrong, so nothing was done
    [web] = rollout.pids("web")
    kill_tree(web)
    eventually(lambda: rollout.command("history")[1]["acts"], 90)
    [act] = rollout.command("history")[1]["acts"]
    assert (act["action"], act["outcome"], act["watcher_pid"]) == ("restart", "succeeded", standby.pid)
    assert web not in rollout.pids("web")
    eventually(lambda: send(rollout, "/health/ready", method="GET", key=None).status == 200, 30)

"""The watcher with real releases, a real HAProxy, PostgreSQL and Redis: a deployment under load, faults, a killed watcher.

`python -m tests.rollout.fault_table` tries more of them, each for real, and takes longer.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from quadra.core import migrate
from quadra.core.database import Database
from tests.clients import SocketClient, event, send
from tests.conftest import _start
from tests.rollout.site import Load, Rollout, newer_version
from tests.servers import available
from tests.servers.available import NotAvailable
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper, kill_tree
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.waiting import eventually

FAULTS = {
    "exits": "echo 'no such module' >&2; exit 3",
    "hangs": "exec sleep 600",
}
"""What a bad release does instead of serving."""


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
        copy = {"QUADRA_ROLLOUT_REHEARSAL_URL": postgres.database()}
        directory = tmp_path_factory.mktemp("rollout")
        found = Rollout(keeper, directory, postgres.database(), redis.url, request.param, **copy)
        stack.callback(found.close)
        found.release("one")
        found.watch()
        eventually(lambda: found.status()["watcher"]["pid"], describe=found.log.read_text)
        code, said = found.deploy("one")
        assert code == 0, (said, found.log.read_text())
        yield found


def test_a_good_release_costs_no_request_and_sockets_are_told_and_miss_nothing(rollout: Rollout) -> None:
    rollout.release("two")
    before = rollout.pids("web")
    names = ("server:reconnect", "event:ack", "catch_up")
    options = {"reconnection_delay": 0.2, "reconnection_delay_max": 1}
    sender, viewer = (SocketClient(rollout.base_url, space, names, **options) for space in ("/", "/live"))
    with closing(sender), closing(viewer):
        sender.connect({"key": rollout.init["write_key"]}, ("websocket",))
        viewer.connect({"key": rollout.init["admin_key"]}, ("polling",))
        watch = {"project": "default"}
        cursor = viewer.call("admin:join", watch)["snapshot"]["cursor"]  # from now on its polls come and go
        with Load(rollout) as load:
            code, said = rollout.deploy("two")
            assert (code, said["status"]) == (0, "completed"), (said, rollout.log.read_text())
            for client in (sender, viewer):
                assert [told["within_ms"] > 0 for told in client.payloads("server:reconnect")] == [True]
            eventually(lambda: sender.io.connected and viewer.io.connected)
            sent = event()
            assert sender.call("user:event", sent)["eventId"] == sent["eventId"]
        assert viewer.call("admin:join", watch | {"cursor": cursor})["ok"]
        viewer.wait_for(lambda: viewer.payloads("catch_up"))
        [missed] = viewer.payloads("catch_up")
        assert missed["missed"] == len(load.acknowledged) + 1
    assert load.problems == []
    assert set(load.statuses) == {200}
    assert load.statuses[200] > 50
    assert rollout.status()["release"] == "two"
    assert not set(before) & set(rollout.pids("web"))
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in before)
    again = {"events": [event(eventId=sent_id) for sent_id in load.acknowledged]}
    told = send(rollout, body=again, key=rollout.init["write_key"]).json  # known already: each is there, once
    assert (told["duplicates"], told["stored"]) == (len(load.acknowledged), 0)
    who = f"Bearer {rollout.init['admin_key']}"
    asked = send(rollout, "/api/annotations", method="GET", key=None, Authorization=who).json
    assert "Release two" in [one["text"] for one in asked["annotations"]], asked


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
    eventually(lambda: "stands by" in rollout.log.read_text())
    assert rollout.status()["watcher"] == before["watcher"]
    os.kill(before["watcher"]["pid"], signal.SIGKILL)
    eventually(lambda: rollout.status()["watcher"]["pid"] == standby.pid)
    after = rollout.status()
    assert [one["pid"] for one in after["processes"]] == [one["pid"] for one in before["processes"]]
    assert rollout.command("history")[1]["acts"] == []  # nothing was wrong, so nothing was done
    [web] = rollout.pids("web")
    kill_tree(web)
    eventually(lambda: rollout.command("history")[1]["acts"])
    [act] = rollout.command("history")[1]["acts"]
    assert (act["action"], act["outcome"], act["watcher_pid"]) == ("restart", "succeeded", standby.pid)
    assert web not in rollout.pids("web")
    eventually(lambda: send(rollout, "/health/ready", method="GET", key=None).status == 200)


def test_a_release_that_cannot_start_again_is_gone_back_from_over_the_schema_that_it_left(
    rollout: Rollout, tmp_path: Path
) -> None:
    """The old version knows nothing of the newer schema, and was told that it may run over it: also when it starts again."""
    old = rollout.status()["release"]
    before = len(rollout.acts())
    source = newer_version(tmp_path / "newer", migrate.head(), additive=True)
    flag = rollout.faulty("newer", "exits", source=source)
    copy = {
        "DATABASE_URL": rollout.env["QUADRA_ROLLOUT_REHEARSAL_URL"],
        "QUADRA_BACKUP_DIR": f"{rollout.env['QUADRA_DATA_DIR']}/backups",
        "QUADRA_DATA_DIR": str(tmp_path / "copy"),
    }
    restored = quadra_command("restore", "--latest", "--yes", env=rollout.env | copy, timeout=150)
    assert restored.returncode == 0, f"{restored.stdout}{restored.stderr}"
    code, said = rollout.deploy("newer")
    assert (code, said["figures"]["migrations"]) == (0, ["later"]), (said, rollout.log.read_text())
    assert said["figures"]["rehearsal_seconds"] > 0
    rehearsed = Database(copy["DATABASE_URL"])
    try:
        assert "later" in sa.inspect(rehearsed.engine).get_table_names()
    finally:
        rehearsed.dispose()
    flag.touch()
    [web] = rollout.pids("web")
    kill_tree(web)
    eventually(lambda: len(rollout.acts()) >= before + 4, 150, rollout.log.read_text)
    assert rollout.acts()[before:] == [("restart", "failed")] * 3 + [("rollback", "succeeded")]
    assert rollout.status()["release"] == old
    deployments = rollout.history()["deployments"]
    assert [(one["release"], one["status"], one["trigger"]) for one in deployments[:2]] == [
        (old, "completed", "heal"),
        ("newer", "rolled_back", "cli"),
    ]
    assert "ended" in deployments[1]["reason"]
    [web] = rollout.pids("web")
    kill_tree(web)
    eventually(lambda: rollout.acts()[before:][4:] == [("restart", "succeeded")], describe=rollout.log.read_text)
    eventually(lambda: send(rollout, "/health/ready", method="GET", key=None).status == 200)

"""Every fault that a release, a process or a machine may have, for real and under load, and what the watcher does about it.

    python -m tests.rollout.fault_table [--replicas N] [NAME …]      # all of them take half an hour; root may fill a disk too

Prints the table of docs/rollout.md, and ends with 1 where something else was done than was expected.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import click

from quadra.core import migrate
from tests.acceptance.test_replicas import Viewer
from tests.clients import SocketClient
from tests.rollout.site import Load, Rollout, newer_version
from tests.servers.keeper import Keeper, kill_tree
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.waiting import eventually

PATIENCE = 300.0
SENDERS = 6
REQUESTS = 5_000
ENV = {
    "QUADRA_SUPERVISOR_CHECK": "1s",
    "QUADRA_SUPERVISOR_BACKOFF": "1s",
    "QUADRA_SUPERVISOR_GATE_P95": "2s",
    "QUADRA_SUPERVISOR_GATE_REQUESTS": "60",
    "QUADRA_SUPERVISOR_START_TIMEOUT": "90s",
    "QUADRA_SUPERVISOR_MEMORY_MB": "500",
    "QUADRA_HEALTH_DISK_FAIL": "97",
}


class Table:
    def __init__(self, rollout: Rollout, redis: RedisServer, directory: Path):
        self.rollout, self.redis, self.directory = rollout, redis, directory
        self.number = 0
        self.rows: list[str] = []
        self.wrong = 0

    def name(self, word: str) -> str:
        self.number += 1
        return f"{word}-{self.number}"

    def run(self, fault: str, expected: str, attempt: Callable[[Table], tuple[str, float]]) -> None:
        with Load(self.rollout, SENDERS) as load:
            eventually(lambda: load.statuses[200] > 20)
            try:
                seen, seconds = attempt(self)
            except AssertionError as error:
                seen, seconds = f"WRONG: {str(error)[:300]}", 0.0
        failed = len(load.problems)
        self.wrong += seen != expected
        self.rows.append(
            f"| {fault} | {seen} | {seconds:.1f} s | {failed} of {sum(load.statuses.values()) + failed:,} |"
        )
        click.echo(self.rows[-1] + ("" if seen == expected else f"   expected: {expected}"))
        for problem in sorted(set(load.problems))[:3]:
            click.echo(f"    {problem[:200]}")

    def acts_until(self, count: int, since: int, began: float) -> tuple[str, float]:
        """The acts since then, once there are so many."""
        eventually(lambda: len(self.rollout.acts()) >= since + count, PATIENCE, self.rollout.log.read_text)
        seconds = time.monotonic() - began
        return ", ".join(f"{action} {outcome}" for action, outcome in self.rollout.acts()[since:]), seconds


def refused(serve: str = "", **options: Any) -> Callable[[Table], tuple[str, float]]:
    """A release that does not get through: the old processes are as they were."""

    def attempt(table: Table) -> tuple[str, float]:
        name = table.name("bad")
        kind = options.pop("faulty", None)
        if kind:
            table.rollout.faulty(name, kind).touch()
        else:
            table.rollout.release(name, serve, **options)
        return deployed(table, name)

    return attempt


def deployed(table: Table, name: str) -> tuple[str, float]:
    before = [one["pid"] for one in table.rollout.status()["processes"]]
    _, said = table.rollout.deploy(name)
    after = [one["pid"] for one in table.rollout.status()["processes"]]
    assert before == after, "the old processes were touched"
    return f"{said['status']} ({said['failure_kind']})", said["seconds"]


def full_disk(table: Table) -> tuple[str, float]:
    data = table.directory / "data"
    filler = data / "filler"
    usage = os.statvfs(data)
    with filler.open("wb") as file:
        file.write(b"x" * int(usage.f_bavail * usage.f_frsize * 0.98))
    try:
        name = table.name("two")
        table.rollout.release(name)
        return deployed(table, name)
    finally:
        filler.unlink()


def nothing(table: Table) -> tuple[str, float]:
    since, began = len(table.rollout.acts()), time.monotonic()
    time.sleep(60)
    return f"{len(table.rollout.acts()) - since} acts", time.monotonic() - began


def redis_down(table: Table) -> tuple[str, float]:
    since, began = len(table.rollout.acts()), time.monotonic()
    table.redis.stop()
    try:
        time.sleep(20)
    finally:
        table.redis.start()
    time.sleep(5)
    return f"{len(table.rollout.acts()) - since} acts", time.monotonic() - began


def killed(role: str, number: int = signal.SIGKILL) -> Callable[[Table], tuple[str, float]]:
    def attempt(table: Table) -> tuple[str, float]:
        since, began = len(table.rollout.acts()), time.monotonic()
        pid = table.rollout.pids(role)[0]
        if number == signal.SIGKILL:
            kill_tree(pid)
        else:
            os.kill(pid, number)
        return table.acts_until(1, since, began)

    return attempt


def killed_watcher(table: Table) -> tuple[str, float]:
    """The second watcher, which has stood by all the time, goes on with the same processes."""
    since = len(table.rollout.acts())
    before = table.rollout.status()
    began = time.monotonic()
    os.kill(before["watcher"]["pid"], signal.SIGKILL)
    eventually(lambda: table.rollout.status()["watcher"]["pid"] == table.rollout.watchers[1].pid)
    seconds = time.monotonic() - began
    after = table.rollout.status()
    assert [one["pid"] for one in after["processes"]] == [one["pid"] for one in before["processes"]]
    return f"adopted, {len(table.rollout.acts()) - since} acts", seconds


def later(kind: str, acts: int, *, newer: bool = False) -> Callable[[Table], tuple[str, float]]:
    """A release that passes every gate and gets its fault afterwards."""

    def attempt(table: Table) -> tuple[str, float]:
        name, old = table.name(kind), table.rollout.status()["release"]
        options = {}
        if newer:
            options["source"] = newer_version(table.directory / name, migrate.head(), additive=True)
        flag = table.rollout.faulty(name, kind, **options)
        code, said = table.rollout.deploy(name)
        assert code == 0, said
        since, began = len(table.rollout.acts()), time.monotonic()
        flag.touch()
        if kind == "exits":
            kill_tree(table.rollout.pids("web")[0])
        found = table.acts_until(acts, since, began)
        assert table.rollout.status()["release"] == old
        return found

    return attempt


def good(table: Table) -> tuple[str, float]:
    """A good release: no request fails, every socket is told, comes back and misses nothing."""
    rollout, names = table.rollout, ("server:reconnect", "event:ack")
    project = {"slug": "default", "read": rollout.init["admin_key"], "write": rollout.init["write_key"]}
    name = table.name("good")
    rollout.release(name)
    options = {"reconnection_delay": 0.2, "reconnection_delay_max": 1}
    senders = [SocketClient(rollout.base_url, "/", names, **options) for _ in range(6)]
    viewers = [Viewer(rollout.base_url, project) for _ in range(4)]
    for viewer in viewers:
        viewer.io.on(
            "server:reconnect", lambda said, v=viewer: v.heard.append(("server:reconnect", said)), namespace="/live"
        )
    try:
        for number, client in enumerate(senders):
            client.connect({"key": project["write"]}, (("websocket",), ("polling",))[number % 2])
        for number, viewer in enumerate(viewers):
            viewer.connect({"key": project["read"]}, (("websocket",), ("polling",))[number % 2])
        with Load(rollout, SENDERS) as load:
            began = time.monotonic()
            code, said = rollout.deploy(name)
            seconds = time.monotonic() - began
            eventually(lambda: load.statuses[200] >= REQUESTS, PATIENCE)
        assert code == 0, said
        assert load.problems == [], load.problems[:3]
        everybody = [*senders, *viewers]
        told = [len(client.payloads("server:reconnect")) for client in everybody]
        assert set(told) == {1}, f"told to reconnect: {told}"
        eventually(lambda: all(client.io.connected for client in everybody))
        eventually(lambda: all(viewer.joins >= 2 for viewer in viewers))
        whole = {viewer.today for viewer in viewers}
        eventually(lambda: len({viewer.today for viewer in viewers}) == 1, describe=lambda: str(whole))
        click.echo(f"    {load.statuses[200]:,} requests, {len(everybody)} sockets told and back")
        return "completed", seconds
    finally:
        for client in [*senders, *viewers]:
            client.close()


LADDER = "restart failed, scale_up failed, clear_cache failed, rollback succeeded"
FAULTS: dict[str, tuple[str, str, Callable[[Table], tuple[str, float]]]] = {
    "good": ("none: a good release", "completed", good),
    "control": ("none, for a minute", "0 acts", nothing),
    "exits": ("ends at its start", "failed (deployment)", refused("echo 'no module' >&2; exit 3")),
    "hangs": ("hangs at its start", "failed (health)", refused("exec sleep 600")),
    "migration": ("bad migration", "failed (deployment)", refused(init="echo 'no such column' >&2; exit 1")),
    "errors": ("answers 500", "failed (health)", refused(faulty="errors")),
    "slow": ("answers after 3 s", "failed (performance)", refused(faulty="slow")),
    "disk": ("the disk is full", "failed (resources)", full_disk),
    "redis": ("Redis is down for 20 s", "0 acts", redis_down),
    "replica": ("a replica is killed", "restart succeeded", killed("web")),
    "worker": ("the worker is killed", "restart succeeded", killed("worker")),
    "stopped": ("a replica hangs", "restart succeeded", killed("web", signal.SIGSTOP)),
    "watcher": ("the watcher is killed", "adopted, 0 acts", killed_watcher),
    "errors-later": ("answers 500 after the switch", LADDER, later("errors", 4)),
    "slow-later": ("answers after 3 s, after the switch", LADDER, later("slow", 4)),
    "leak": (
        "takes 600 MB more after the switch, limit 500 MB",
        "restart succeeded, restart succeeded, rollback succeeded",
        later("leak", 3),
    ),
    "schema": (
        "cannot start again, and has migrated",
        "restart failed, restart failed, restart failed, rollback succeeded",
        later("exits", 4, newer=True),
    ),
}


@click.command()
@click.option("--replicas", default=2, show_default=True, type=click.IntRange(1, 8))
@click.argument("wanted", nargs=-1, type=click.Choice(list(FAULTS)))
def main(replicas: int, wanted: tuple[str, ...]) -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quadra-faults-")))
        keeper = stack.enter_context(closing(Keeper()))
        postgres = stack.enter_context(closing(PostgresServer(keeper)))
        redis = stack.enter_context(closing(RedisServer(keeper)))
        (directory / "data").mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(directory / "data")], capture_output=True
        )
        if mounted.returncode == 0:
            stack.callback(lambda: subprocess.run(["umount", "-l", str(directory / "data")], check=True))
        else:
            click.echo("No disk can be filled here: that needs root. The row `disk` is left out.")
        rollout = Rollout(keeper, directory, postgres.database(), redis.url, "haproxy", replicas, **ENV)
        stack.callback(rollout.close)
        rollout.release("one")
        rollout.watch()
        eventually(lambda: rollout.status()["watcher"]["pid"], describe=rollout.log.read_text)
        code, said = rollout.deploy("one")
        assert code == 0, (said, rollout.log.read_text())
        rollout.watch()  # stands by
        table = Table(rollout, redis, directory)
        for name, (fault, expected, attempt) in FAULTS.items():
            if (not wanted or name in wanted) and (name != "disk" or mounted.returncode == 0):
                table.run(fault, expected, attempt)
        by = {one["watcher_pid"] for one in rollout.history()["acts"]}
        click.echo(f"\nActs were done by {len(by)} watchers, never by one that stood by.")
        click.echo("\n| fault | what was done | after | requests that failed |\n|---|---|---|---|")
        click.echo("\n".join(table.rows))
        with suppress(FileNotFoundError):
            (directory / "data" / "filler").unlink()
    sys.exit(1 if table.wrong else 0)


if __name__ == "__main__":
    main()

"""A rollout to try things on: its directory with releases, good and bad ones, its watchers, and senders that never rest."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.clients import event
from tests.servers.base import free_port
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper, kill_tree
from tests.servers.quadra import TOP

OURS = ("QUADRA_", "DATABASE_URL", "REDIS_URL")
FAULTY = Path(__file__).with_name("faulty.py")
LATER = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on, additive = "later", {head!r}, None, None, {additive}
def upgrade():
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
def downgrade():
    op.drop_table("later")
"""


def newer_version(directory: Path, head: str, *, additive: bool) -> Path:
    """This Quadra with one more migration, as it may be tomorrow."""
    for name in ("quadra", "alembic", "deploy"):
        shutil.copytree(TOP / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "alembic.ini", directory)
    (directory / "alembic" / "versions" / "later.py").write_text(LATER.format(head=head, additive=additive))
    return directory


class Rollout:
    """A directory with releases, and its watchers. `port` and `init` make it a target of tests/clients.py."""

    def __init__(
        self, keeper: Keeper, directory: Path, database: str, redis: str, balancer: str, replicas: int = 1, **env: str
    ):
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
            "QUADRA_SUPERVISOR_BACKOFF": "500ms",
            "QUADRA_SUPERVISOR_START_TIMEOUT": "45s",
            "QUADRA_SUPERVISOR_GATE_REQUESTS": "30",
            "QUADRA_SUPERVISOR_GATE_P95": "20s",
            "QUADRA_HEALTH_DISK_FAIL": "100",
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        self.command("init", "--public-port", str(self.port), "--replicas", str(replicas), "--balancer", balancer)

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

    def release(self, name: str, serve: str = "", *, init: str = "", source: Path | None = None) -> Path:
        """A release that is this Quadra, or the one in `source`; its `serve` and its `init` may be something worse. The file that
        turns on a fault of `faulty`."""
        program = self.directory / "releases" / name / "bin" / "quadra"
        program.parent.mkdir(parents=True)
        lines = ["#!/bin/sh", *([f"export PYTHONPATH={shlex.quote(str(source))}"] if source else [])]
        lines += [
            f'if [ "$1" = {word} ]; then {worse}; fi' for word, worse in (("serve", serve), ("init", init)) if worse
        ]
        program.write_text("\n".join([*lines, f'exec {shlex.quote(sys.executable)} -m quadra "$@"', ""]))
        program.chmod(0o700)
        return self.flag(name)

    def flag(self, name: str) -> Path:
        return self.directory.parent / f"fault-{name}"

    def faulty(self, name: str, kind: str, **options: Any) -> Path:
        """A release whose replicas get the fault `kind` once there is the file that this gives."""
        words = [sys.executable, str(FAULTY), kind, str(self.flag(name))]
        return self.release(name, f'exec {shlex.join(words)} "$@"', **options)

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
        code, said = self.command("deploy", name, timeout=900)
        for one in self.status()["processes"]:
            self._keeper.tell(f"pid {one['pid']}")
        return code, said

    def history(self) -> Any:
        return self.command("history")[1]

    def acts(self) -> list[tuple[str, str]]:
        """(action, outcome), oldest first."""
        return [(one["action"], one["outcome"]) for one in reversed(self.history()["acts"])]

    def pids(self, role: str) -> list[int]:
        return [one["pid"] for one in self.status()["processes"] if one["role"] == role]

    def close(self) -> None:
        for watcher in self.watchers:
            watcher.kill()
            watcher.wait(90)
        with contextlib.suppress(FileNotFoundError):
            for one in json.loads((self.directory / "state.json").read_text())["processes"]:
                kill_tree(one["pid"])


class Load:
    """Events over HTTP, until told to stop."""

    def __init__(self, rollout: Rollout, senders: int = 3):
        self._rollout = rollout
        self._key = rollout.init["write_key"]
        self._stop = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.problems: list[str] = []
        self.acknowledged: set[str] = set()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(senders)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)

    def _send(self) -> None:
        """Over one connection as long as it lasts, as senders do: a balancer that is reloaded loses requests of such."""
        headers = {"X-Quadra-Key": self._key}
        with closing(HTTPConnection("127.0.0.1", self._rollout.port, timeout=90)) as connection:
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
                time.sleep(0.03)  # what is deployed needs the processor more than it needs load

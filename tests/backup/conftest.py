"""A primary that archives its log, and replicas of it: made once for each module that asks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from quadra.backup.dumps.postgres_programs import person
from quadra.core.settings import Settings, load
from tests.conftest import _start
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper
from tests.servers.postgres import PostgresServer
from tests.servers.postgres_replica import Archive, PostgresReplica
from tests.servers.quadra import OURS, QuadraProcess

WHO = person("nobody" if os.geteuid() == 0 else None)
"""As whom the servers of tests run."""


class Pair:
    """A primary with an archive, and as many replicas as a test asks for."""

    def __init__(self, keeper: Keeper, stack: ExitStack, settings: dict[str, str] | None = None):
        self._keeper, self._stack = keeper, stack
        self.archive = stack.enter_context(closing(Archive(keeper)))
        made = _start(PostgresServer, keeper, settings=self.archive.settings | (settings or {}))
        self.primary = stack.enter_context(closing(made))

    def replica(self, label: str = "replica") -> PostgresReplica:
        made = _start(PostgresReplica, self._keeper, primary=self.primary, label=label)
        return self._stack.enter_context(closing(made))

    def settings(self, *replicas: PostgresServer, **more: Any) -> Settings:
        return load(
            database_url=self.primary.url,
            wal_archive=self.archive.wal,
            replicas=[f"127.0.0.1:{each.port}" for each in replicas],
            **more,
        )

    def environment(self, *replicas: PostgresServer) -> dict[str, str]:
        return {
            "DATABASE_URL": self.primary.url,
            "QUADRA_WAL_ARCHIVE": str(self.archive.wal),
            "QUADRA_REPLICAS": ",".join(f"127.0.0.1:{each.port}" for each in replicas),
        }


@pytest.fixture(scope="module")
def make_pair(keeper: Keeper) -> Iterator[Callable[..., Pair]]:
    with ExitStack() as stack:
        yield lambda settings=None: Pair(keeper, stack, settings)


@pytest.fixture(scope="module")
def pair(make_pair: Callable[..., Pair]) -> Pair:
    return make_pair()


@contextlib.contextmanager
def sql(server: PostgresServer) -> Iterator[Any]:
    with psycopg.connect(server._dsn(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def run_quadra(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_quadra({"DATABASE_URL": url}, "replica", "status")`: the command as people run it, in a data directory of its own."""
    data = tmp_path_factory.mktemp("data")

    def run(env: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        return quadra_command(*map(str, arguments), env=kept | {"QUADRA_DATA_DIR": str(data)} | env, timeout=240)

    return run


def send(quadra: QuadraProcess, event_id: str) -> None:
    body = json.dumps({"event_id": event_id, "event_type": "click", "user_id": "u"}).encode()
    request = urllib.request.Request(
        f"{quadra.base_url}/api/events",
        body,
        {"Content-Type": "application/json", "Authorization": f"Bearer {quadra.init['write_key']}"},
    )
    with urllib.request.urlopen(request, timeout=90) as answer:
        assert json.load(answer)["stored"] == 1

"""A real Redis that keeps nothing on disk, as Quadra's does: it carries messages and counts limits."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.available import redis_bin
from tests.servers.base import Server
from tests.servers.keeper import Keeper

DATABASES = 1000


class RedisServer(Server):
    name = "Redis"

    def __init__(self, keeper: Keeper):
        self.bin = redis_bin()
        super().__init__(keeper)

    @property
    def url(self) -> str:
        return self._url(0)

    def database(self) -> str:
        """The URL of an empty numbered database. Published messages know no databases: they reach every client."""
        self.ensure_running()
        number = next(self._numbers) % DATABASES
        with redis.Redis(port=self.port, db=number) as client:
            client.flushdb()
        return self._url(number)

    def _create(self) -> None:
        self.bin = self._reachable(self.bin)

    def _command(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.directory,
            "databases": DATABASES,
            "save": "",
            "appendonly": "no",
        }
        return [
            str(self.bin / "redis-server"),
            *(str(part) for key, value in options.items() for part in (f"--{key}", value)),
        ]

    def _probe(self) -> None:
        with redis.Redis(port=self.port, socket_timeout=3, retry=Retry(NoBackoff(), 0)) as client:
            client.ping()

    def _url(self, number: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"

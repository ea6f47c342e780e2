"""A real Redis that keeps nothing on disk, as Quadra's does: it carries messages and counts limits."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.available import NotAvailable, redis_bin, redis_sentinel
from tests.servers.base import Server
from tests.servers.keeper import Keeper

DATABASES = 1000


class RedisServer(Server):
    name = "Redis"

    def __init__(self, keeper: Keeper, *, settings: Mapping[str, Any] | None = None):
        """`settings` go on top, such as {"replicaof": "127.0.0.1 6379"}."""
        self.bin = redis_bin()
        self._settings = dict(settings or {})
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
            **self._settings,
        }
        words = [(f"--{key}", *str(value).split()) for key, value in options.items()]
        # an empty value is a word too
        return [
            str(self.bin / "redis-server"),
            *(part for word in words for part in (word if word[1:] else (*word, ""))),
        ]

    def _probe(self) -> None:
        with self.client() as client:
            client.ping()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=3, retry=Retry(NoBackoff(), 0))

    def _url(self, number: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"


class TlsRedisServer(RedisServer):
    """One that speaks TLS only, its certificate signed by an authority of its own: `ca_file`."""

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(host="localhost", port=self.port, ssl=True, ssl_ca_certs=str(self.ca_file), socket_timeout=3)

    def _create(self) -> None:
        super()._create()
        try:
            self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
                          "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip
            self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                          "-keyout", "server.key", "-out", "server.csr")  # fmt: skip
        except FileNotFoundError as error:
            raise NotAvailable("no openssl in PATH to make certificates with") from error
        (self.directory / "names").write_text("subjectAltName=DNS:localhost\n")
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", "names", "-out", "server.crt")  # fmt: skip
        for name in ("server.crt", "server.key", "ca.crt"):
            self._own(self.directory / name)

    def _command(self) -> list[str]:
        self._settings |= {
            "port": 0,
            "tls-port": self.port,
            "tls-cert-file": self.directory / "server.crt",
            "tls-key-file": self.directory / "server.key",
            "tls-ca-cert-file": self.ca_file,
            "tls-auth-clients": "no",
        }
        return super()._command()

    def start(self) -> None:
        try:
            super().start()
        except AssertionError as error:
            if "Bad directive" in str(error) or "without TLS" in str(error):
                raise NotAvailable("this Redis was built without TLS") from error
            raise

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)


class SentinelServer(Server):
    """A Redis Sentinel that watches one master and decides alone."""

    name = "Redis Sentinel"

    def __init__(self, keeper: Keeper, master: RedisServer):
        self.program = redis_sentinel()
        self._master = master
        super().__init__(keeper)

    def master_port(self) -> int:
        """The port of the master as it is known now."""
        with self._client() as client:
            return int(client.sentinel_get_master_addr_by_name("quadra")[1])

    def replicas(self) -> int:
        """How many replicas of the master are known: a failover needs one."""
        with self._client() as client:
            return len(client.sentinel_slaves("quadra"))

    def _create(self) -> None:
        """Its configuration is made at each start: it rewrites the file as it learns."""

    def _command(self) -> list[str]:
        file = self.directory / "sentinel.conf"
        file.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.directory}\n"
            f"sentinel monitor quadra 127.0.0.1 {self._master.port} 1\n"
            "sentinel down-after-milliseconds quadra 1000\n"
            "sentinel failover-timeout quadra 3000\n"
        )
        self._own(file)
        return [str(self.program), str(file)]

    def _probe(self) -> None:
        with self._client() as client:
            client.ping()

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=3, decode_responses=True, retry=Retry(NoBackoff(), 0))

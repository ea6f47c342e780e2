"""A real PostgreSQL. Durability is left on (fsync, synchronous commit): tests of crashes mean something here."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg

from tests.servers.available import postgres_bin
from tests.servers.base import NOBODY, Mount, Server
from tests.servers.keeper import Keeper

USER = PASSWORD = "quadra"


class PostgresServer(Server):
    name = "PostgreSQL"

    def __init__(self, keeper: Keeper, settings: dict[str, str] | None = None, mount: Mount | None = None):
        """`settings` are further lines of postgresql.conf, for example `{"archive_mode": "on"}`. `mount` gives the data a disk
        of its own.
        """
        self._settings = settings or {}
        self._mount = mount
        self.bin = postgres_bin()
        super().__init__(keeper)

    @property
    def url(self) -> str:
        """The maintenance database; `database()` gives an empty one."""
        return self._url("postgres")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def database(self) -> str:
        """The URL of a new, empty database."""
        self.ensure_running()
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `database()` gave, whoever is still connected."""
        self.ensure_running()
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, sql: str) -> None:
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(sql)

    def _create(self) -> None:
        self.bin = self._reachable(self.bin)
        if self._mount is not None:
            self._mount(self.data, NOBODY)
        password = self.directory / "password"
        password.write_text(PASSWORD)
        self._own(password)
        options = [f"--pgdata={self.data}", f"--username={USER}", f"--pwfile={password}", "--auth=scram-sha-256"]
        # only the empty cluster is not flushed to disk; what the tests write to it is
        self._run(self.bin / "initdb", *options, "--encoding=UTF8", "--locale=C", "--no-sync")
        wanted = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "max_connections": "80",
            "dynamic_shared_memory_type": "mmap",  # in its directory, which is removed; shared memory outlives a killed server
            **self._settings,
        }
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{key} = '{value}'\n" for key, value in wanted.items())

    def _command(self) -> list[str]:
        return [str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def _probe(self) -> None:
        self.execute("SELECT 1")

    def _ask_to_end(self) -> None:
        self._process.send_signal(signal.SIGINT)  # "fast": does not wait for clients to leave

    def _dsn(self) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres?connect_timeout=3"

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

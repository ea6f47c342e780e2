"""A real MariaDB, with the durability it has by default."""

from __future__ import annotations

from pathlib import Path

import pymysql

from tests.servers.available import mariadb_bin, mariadb_install_db
from tests.servers.base import NOBODY, Mount, Server
from tests.servers.keeper import Keeper

USER = PASSWORD = "quadra"
LOG_SIZE = "--innodb-log-file-size=16M"


class MariadbServer(Server):
    name = "MariaDB"

    def __init__(self, keeper: Keeper, mount: Mount | None = None):
        """`mount` gives the data a disk of its own."""
        self._mount = mount
        self._install_db = mariadb_install_db()
        self._daemon = mariadb_bin() / "mariadbd"
        super().__init__(keeper)
        self._execute(
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT ALL PRIVILEGES ON *.* TO {USER}@'127.0.0.1'",
        )

    @property
    def url(self) -> str:
        """No database selected; `database()` gives an empty one."""
        return self._url("")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def database(self) -> str:
        """The URL of a new, empty database."""
        self.ensure_running()
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `database()` gave."""
        self.ensure_running()
        self._execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]}")

    def _create(self) -> None:
        if self._mount is not None:
            self._mount(self.data, NOBODY)
        options = ["--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal"]
        self._run(self._install_db, *options, "--skip-test-db", "--skip-name-resolve", LOG_SIZE)

    def _command(self) -> list[str]:
        return [
            str(self._daemon),
            "--no-defaults",
            f"--datadir={self.data}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=48M",
            LOG_SIZE,
        ]

    def _probe(self) -> None:
        self._execute("SELECT 1")

    def _execute(self, *statements: str) -> None:
        # root has no password on this server, which only this machine can reach
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=3, read_timeout=30)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _url(self, database: str) -> str:
        return f"mysql+pymysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

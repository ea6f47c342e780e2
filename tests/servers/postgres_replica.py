"""A real streaming replica of a `PostgresServer`, and a place for the WAL that both may write to."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from quadra.backup import wal_archive
from tests.servers.base import NOBODY
from tests.servers.keeper import Keeper
from tests.servers.postgres import PASSWORD, USER, PostgresServer


class PostgresReplica(PostgresServer):
    name = "a PostgreSQL replica"

    def __init__(self, keeper: Keeper, primary: PostgresServer, label: str = "replica"):
        self._primary, self._label = primary, label
        super().__init__(keeper)

    def _create(self) -> None:
        self.bin = self._reachable(self.bin)
        source = f"host=127.0.0.1 port={self._primary.port} user={USER} password={PASSWORD}"
        source += f" application_name={self._label}"
        options = ["--pgdata", str(self.data), "--checkpoint=fast", "--write-recovery-conf", "--no-sync"]
        self._run(self.bin / "pg_basebackup", "--dbname", source, *options)


class Archive:
    """A directory for the WAL, and the settings of a server that puts its WAL there."""

    def __init__(self, keeper: Keeper):
        self.path = Path(tempfile.mkdtemp(prefix="quadra-test-wal-"))
        keeper.tell(f"directory {self.path}")
        # a copy, as on a database server without Quadra: nobody may not read the developer's home
        program = shutil.copy(wal_archive.__file__, self.path / "wal_archive.py")
        self.wal = self.path / "wal"
        self.wal.mkdir()
        if os.geteuid() == 0:
            for path in (self.path, self.wal):
                os.chown(path, NOBODY, NOBODY)
        self.settings = {
            "archive_mode": "on",
            "archive_command": f'{_python()} {program} push {self.wal} "%p" "%f"',
            "wal_log_hints": "on",
            "wal_keep_size": "128MB",
        }

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def controldata(server: PostgresServer) -> str:
    return subprocess.run([server.bin / "pg_controldata", server.data], capture_output=True, text=True).stdout


def _python() -> str:
    return shutil.which("python3", path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", "")) or "python3"

"""A real Quadra: the command that people start, in its own process, with its own database and data directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, ClassVar
from unittest.mock import patch

from quadra.accounts.setup import initialise
from quadra.core import migrate
from quadra.core.runtime import build
from quadra.core.settings import load
from tests.servers.base import Server
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper
from tests.servers.nursery import Forked, nursery
from tests.servers.schema import bring_up

TOP = Path(__file__).resolve().parents[2]
OURS = ("QUADRA_", "DATABASE_URL", "REDIS_URL")


_environment_lock = threading.Lock()


def first_keys(env: Mapping[str, str]) -> dict[str, Any]:
    """What `quadra init --json` does and says with this environment, without a process and, where the database is empty,
    without its migrations.
    """
    with _environment_lock, patch.dict(os.environ, env, clear=True):
        settings = load()
    with closing(build(settings)) as runtime:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        bring_up(runtime.database)
        migrate.upgrade(runtime.database)  # where it had the schema of another version
        with runtime.database.begin() as session:
            return asdict(initialise(session, settings=settings))


class QuadraProcess(Server):
    """`quadra init`, then `quadra serve`. Restarting keeps port, database and data."""

    name = "Quadra"
    as_nobody = False  # its code may lie under a home directory that nobody may not enter
    umask: ClassVar[int | None] = None
    most_files: ClassVar[int | None] = None
    """That may be open in it, where it is forked; not even by asking for more."""

    def __init__(
        self,
        keeper: Keeper,
        env: Mapping[str, str] | None = None,
        *,
        command: tuple[str, ...] = ("serve",),
        cold: bool = False,
    ):
        """`env` goes on top of what isolates this process; `command` is what follows `quadra` (or gunicorn's settings).
        `cold`: by the interpreter, as people start it, and not forked from a process that has made the imports.
        """
        self._cold = cold
        self._extra = dict(env or {})
        self._arguments = command
        self.init: dict[str, Any] = {}
        super().__init__(keeper)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def terminate(self) -> int:
        """SIGTERM, as a supervisor stops it. Returns the exit code."""
        process = self._process
        self.stop()
        return int(process.returncode)

    def wait(self, seconds: float) -> int:
        """Until it ends by itself or by a signal. Returns the exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def restart(self) -> None:
        self.stop()
        self.start()

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Another `quadra` command with the same settings. Fails the test when the command fails."""
        done = quadra_command(*arguments, env=self._environment(), cwd=self.directory, timeout=timeout)
        assert done.returncode == 0, (
            f"quadra {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def _create(self) -> None:
        self.init = json.loads(self.run("init", "--json").stdout) if self._cold else first_keys(self._environment())

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "quadra", *self._arguments]

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes] | Forked:
        command, env = self._command(), self._environment()
        if self._cold or command[:2] != [sys.executable, "-m"] or "QUADRA_ASYNC_MODE" in env:
            return super()._spawn(log)
        return nursery().start(
            *command[3:],
            env=env,
            cwd=self.directory,
            log=self.log_file,
            module=command[2],
            umask=self.umask,
            most_files=self.most_files,
        )

    def _probe(self) -> None:
        try:
            with urllib.request.urlopen(f"{self.base_url}/health/ready", timeout=5) as answer:
                assert answer.status == 200
        except urllib.error.HTTPError as answer:
            with answer:
                raise AssertionError(f"/health/ready answers {answer.code}: {answer.read(500)!r}") from None

    def _environment(self) -> dict[str, str]:
        own = {
            "QUADRA_HOST": "127.0.0.1",
            "QUADRA_PORT": str(self.port),
            "QUADRA_DATA_DIR": str(self.directory / "data"),
            # tests ask more often than people do, and all from one address; those about limits set their own
            "QUADRA_RATE_LIMIT_READS": "100000",
            "QUADRA_RATE_LIMIT_OPEN": "100000",
            "QUADRA_RATE_LIMIT_STRANGERS_HOUR": "100000",
            "QUADRA_RATE_LIMIT_STRANGERS_DAY": "100000",
            "QUADRA_RATE_LIMIT_INGEST": "0",
            "QUADRA_RATE_LIMIT_REFUSED": "0",
            "QUADRA_WORKER_NICE": "0",  # else it waits for all other tests
            "QUADRA_SELF_OBSERVE": "false",  # tests count what is stored; the one about it turns it on
            "PYTHONUNBUFFERED": "1",
        }
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        return {**inherited, **own, **self._extra}


class GunicornProcess(QuadraProcess):
    """The same Quadra under gunicorn, as deploy/ runs it. Forked, it keeps its metrics in a directory; `cold`, in memory."""

    name = "Quadra under gunicorn"

    def __init__(
        self,
        keeper: Keeper,
        env: Mapping[str, str] | None = None,
        *,
        command: tuple[str, ...] = (),
        cold: bool = False,
    ):
        super().__init__(keeper, env, command=command, cold=cold)

    def _command(self) -> list[str]:
        conf = str(TOP / "deploy" / "gunicorn.conf.py")
        return [sys.executable, "-m", "gunicorn", "-c", conf, *self._arguments, "quadra.web:app"]

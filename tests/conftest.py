"""Fixtures that give tests the real things: databases, Redis, Quadra's own process, a browser.

A server starts when the first test asks for it and lives until the run ends. What this machine does not have is skipped
by name, with its reason, and listed once more at the end of the run.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from quadra.core.environment import PLAIN, RENAMED
from tests.servers import available, quick_hashes
from tests.servers.available import NotAvailable
from tests.servers.base import Server
from tests.servers.keeper import Keeper
from tests.servers.mariadb import MariadbServer
from tests.servers.moto import MotoServer
from tests.servers.postgres import PostgresServer
from tests.servers.quadra import QuadraProcess
from tests.servers.redis import RedisServer
from tests.waiting import PATIENCE_MS

assert quick_hashes.QUICK  # imported for what it does
# without bytecode every process that a test starts compiles all files anew; the processes inherit this
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# settings of whoever runs the tests: a key of theirs must not be used, nor the .env of this checkout be read
for name in {*PLAIN, *RENAMED} & set(os.environ):
    del os.environ[name]
os.environ["QUADRA_ENV_FILE"] = os.devnull
# beside what pytest keeps for the next run, and no folder of its own
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).parents[1] / ".pytest_cache" / "hypothesis"))
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # in a shell's background; processes that tests interrupt inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEMORY_DISK = Path("/dev/shm")
MEMORY_DISK_BYTES = 6 * 2**30
"""Free, before tests write there; a run takes a sixth of it."""


def write_to_memory() -> None:
    """Have servers and tests write where the flushes that they wait for cost nothing.

    A process that is killed loses nothing there either; a power cut no test can make, so what is flushed, and in which
    order, `tests/core/test_durability.py` asks of the calls. TMPDIR says another place; an image is too much for memory.
    """
    if os.environ.keys() & {"TMPDIR", "QUADRA_TEST_IMAGE"}:
        return
    if not MEMORY_DISK.is_mount() or os.statvfs(MEMORY_DISK).f_flag & os.ST_NOEXEC:
        return
    if min(shutil.disk_usage(MEMORY_DISK).free, psutil.virtual_memory().available) > MEMORY_DISK_BYTES:
        os.environ["TMPDIR"] = str(MEMORY_DISK)
        tempfile.tempdir = None  # found anew


write_to_memory()
expect.set_options(timeout=PATIENCE_MS)

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = available.missing()
    if missing:
        terminalreporter.section("Servers not available here")
        for name, reason in missing.items():
            terminalreporter.write_line(f"{name}: {reason}. Tests that need it were skipped.")


@pytest.fixture(scope="session")
def keeper() -> Iterator[Keeper]:
    """Ends every server even when this run is killed."""
    with closing(Keeper()) as keeper:
        yield keeper


S = TypeVar("S", bound=Server)


def _start(kind: type[S], keeper: Keeper, **options: Any) -> S:
    try:
        return kind(keeper, **options)
    except NotAvailable as reason:
        pytest.skip(f"{kind.name} is not available here: {reason}")


@pytest.fixture(scope="session")
def postgres(keeper: Keeper) -> Iterator[PostgresServer]:
    """A PostgreSQL shared by the run. Tests that configure or lose one start their own with `start_server`."""
    with closing(_start(PostgresServer, keeper)) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(keeper: Keeper) -> Iterator[MariadbServer]:
    with closing(_start(MariadbServer, keeper)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(keeper: Keeper) -> Iterator[RedisServer]:
    with closing(_start(RedisServer, keeper)) as server:
        yield server


@pytest.fixture(scope="session")
def fake_s3(keeper: Keeper) -> Iterator[MotoServer]:
    """moto's server: `.bucket()` is a new one, `.settings(…)` and `.environment` say where it is."""
    with closing(_start(MotoServer, keeper)) as server:
        yield server


@pytest.fixture
def start_server(keeper: Keeper) -> Iterator[Callable[..., Server]]:
    """`start_server(PostgresServer, settings={…})`: a server for this test alone."""
    with ExitStack() as started:
        yield lambda kind, **options: started.enter_context(closing(_start(kind, keeper, **options)))


@pytest.fixture
def quadra_process(keeper: Keeper) -> Iterator[Callable[..., QuadraProcess]]:
    """`quadra_process({"DATABASE_URL": url})`: a running Quadra that answers, ended after the test."""
    with ExitStack() as started:
        yield lambda env=None, **options: started.enter_context(closing(QuadraProcess(keeper, env, **options)))


def _database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'quadra.db'}"
        return
    server = request.getfixturevalue({"postgresql": "postgres", "mariadb": "mariadb"}[request.param])
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new, empty database, once on each of the two that most people run."""
    yield from _database_url(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def any_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new, empty database, once on each that Quadra supports: for SQL that differs between them."""
    yield from _database_url(request, tmp_path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, driven by Playwright. Each test opens its own context: `with browser.new_context() as context`.

    One for each module, not for the run: while Playwright's synchronous interface is open, no test can use asyncio.
    """
    try:
        program = available.chromium()
    except NotAvailable as reason:
        pytest.skip(f"Chromium is not available here: {reason}")
    home = str(tmp_path_factory.mktemp("chromium"))  # it writes there, and some users' home is missing or read-only
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program),
            args=CHROMIUM_FLAGS,
            env={"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
        open_context = browser.new_context

        def open_patiently(**options: Any) -> BrowserContext:
            context = open_context(**options)
            context.set_default_timeout(PATIENCE_MS)
            return context

        browser.new_context = open_patiently  # type: ignore[method-assign]
        yield browser
        browser.close()

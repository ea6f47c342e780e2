"""More than one web process: refused without Redis, with a sentence that says what to set; a crash bars nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psutil
import pytest

from tests.clients import send
from tests.servers.keeper import Keeper
from tests.servers.quadra import TOP, GunicornProcess, QuadraProcess
from tests.waiting import eventually


@pytest.fixture
def gunicorn_process(keeper: Keeper) -> Iterator[Callable[..., GunicornProcess]]:
    with ExitStack() as started:
        yield lambda env=None: started.enter_context(closing(GunicornProcess(keeper, env, cold=True)))


def start_another(beside: QuadraProcess, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A second web process with the settings of the first, on a port of its own."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**beside._environment(), "QUADRA_PORT": "0", **env},
        cwd=beside.directory,
        capture_output=True,
        text=True,
        timeout=120,
    )


CONF = str(TOP / "deploy" / "gunicorn.conf.py")


def test_a_second_one_is_refused_and_a_crash_of_the_first_bars_nobody(
    quadra_process: Callable[..., QuadraProcess],
) -> None:
    quadra = quadra_process()
    done = start_another(quadra, "quadra", "serve")
    assert done.returncode == 1, done.stderr
    assert "REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr
    quadra.kill()
    quadra.start()  # within its start_seconds, and without a word
    assert "web.start.waited" not in quadra.log()


def test_gunicorn_replaces_its_worker_and_is_refused_more_than_one(
    gunicorn_process: Callable[..., GunicornProcess],
) -> None:
    quadra = gunicorn_process()
    (worker,) = psutil.Process(quadra.pid).children()
    os.kill(quadra.pid, signal.SIGHUP)
    eventually(lambda: worker.pid not in [child.pid for child in psutil.Process(quadra.pid).children()])
    assert send(quadra, "/health/ready", method="GET", key=None).status == 200
    done = start_another(quadra, "gunicorn", "-c", CONF, "quadra.web:app")
    assert done.returncode == 4, done.stderr
    assert "set REDIS_URL (the same one) for all of them" in done.stderr
    for redis in ("", "redis://127.0.0.1:1/0"):
        done = start_another(quadra, "gunicorn", "-c", CONF, "--workers", "2", "quadra.web:app", REDIS_URL=redis)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "run one worker" in done.stderr
    # with a configuration of one's own the worker refuses
    done = start_another(
        quadra, "gunicorn", "-k", "quadra.core.web.server.EventLoopWorker", "--workers", "2", "-b", "127.0.0.1:0",
        "--no-control-socket", "quadra.web:app",
    )  # fmt: skip
    assert done.returncode != 0
    assert "run one worker" in done.stderr

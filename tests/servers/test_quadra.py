"""The fixture that starts the real Quadra: it answers, survives what is done to it, and each one is alone."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing

import psutil
import pytest

from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=90) as answer:
        return int(answer.status)


def test_quadra_starts_on_every_database_and_hands_out_its_first_keys(
    any_database_url: str, quadra_process: Callable[..., QuadraProcess]
) -> None:
    quadra = quadra_process({"DATABASE_URL": any_database_url})
    assert status(f"{quadra.base_url}/health") == 200
    assert {"project", "write_key", "admin_key", "admin_email", "admin_password"} <= set(quadra.init)
    assert quadra.init["write_key"].startswith("qk_")


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, cold=True)) as process:
        yield process


def test_quadra_comes_back_after_a_kill_on_the_same_port(quadra: QuadraProcess) -> None:
    quadra.ensure_running()
    before = quadra.base_url
    quadra.kill()
    with pytest.raises(urllib.error.URLError):
        status(f"{quadra.base_url}/health")
    quadra.start()
    assert quadra.base_url == before
    assert status(f"{quadra.base_url}/health/ready") == 200


def test_quadra_leaves_with_0_when_it_is_asked_to(quadra: QuadraProcess) -> None:
    quadra.ensure_running()
    pid = quadra.pid
    assert quadra.terminate() == 0
    assert not psutil.pid_exists(pid)


def test_quadra_leaves_with_0_on_ctrl_c(quadra: QuadraProcess) -> None:
    quadra.ensure_running()
    process = psutil.Process(quadra.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=90) == 0


def test_two_quadras_share_neither_port_nor_data(
    quadra: QuadraProcess, quadra_process: Callable[..., QuadraProcess]
) -> None:
    other = quadra_process()
    assert quadra.base_url != other.base_url
    assert quadra.init["admin_key"] != other.init["admin_key"]

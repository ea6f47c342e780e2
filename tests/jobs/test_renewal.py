"""A worker that has grown and has nothing to do starts anew in its place, and is told to stop at any moment of that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quadra.core import renewal
from quadra.core.renewal import APART_SECONDS, GROWN_MB, REST_SECONDS, Renewal


class Process:
    """A fake one: its clock and its memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.at, self.mb = 1000.0, 80
        monkeypatch.setattr(renewal, "memory_bytes", lambda: self.mb * 2**20)

    def renewal(self, *, again: bool = False) -> Renewal:
        return Renewal(again=again, clock=lambda: self.at)


def test_it_rests_first(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    rest = process.renewal()
    process.mb += GROWN_MB + 1
    process.at += REST_SECONDS - 1
    assert not rest.due(busy=True)
    process.at += REST_SECONDS - 1
    assert not rest.due(busy=False)
    process.at += 1
    assert rest.due(busy=False)


def test_what_has_not_grown_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    rest = process.renewal()
    process.mb += GROWN_MB
    process.at += 10 * REST_SECONDS
    assert not rest.due(busy=False)


def test_one_that_did_so_before_waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    rest = process.renewal(again=True)
    process.mb += GROWN_MB + 1
    process.at += APART_SECONDS - 1
    assert not rest.due(busy=False)
    process.at += 1
    assert rest.due(busy=False)


RESTS_AT_ONCE = """
import os, signal, sys
from quadra.core import renewal
from quadra.worker import worker_command
renewal.REST_SECONDS, renewal.GROWN_MB = 0.0, -1
if "told" in sys.argv:
    renewal.start_anew = lambda words: (print(*words, flush=True), os.kill(os.getpid(), signal.SIGTERM), signal.pause())
worker_command.main([], standalone_mode=False)
"""


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started = []

    def start(*words: str) -> subprocess.Popen[str]:
        env = {**os.environ, "QUADRA_DATA_DIR": str(tmp_path), "QUADRA_DATABASE_URL": "", "DATABASE_URL": ""}
        command = [sys.executable, "-c", RESTS_AT_ONCE, *words]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        patience = threading.Timer(120, process.kill)
        patience.start()
        started.append((process, patience))
        return process

    yield start
    for process, patience in started:
        patience.cancel()
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], what: str) -> str:
    """What it wrote, until a line with this."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if what in line:
            break
    assert what in "".join(lines[-1:]), "".join(lines)
    return "".join(lines)


def test_it_is_the_same_process_that_works_again(resting: Callable[..., subprocess.Popen[str]]) -> None:
    process = resting()
    said(process, "end=rested")
    assert f":{process.pid}:" in said(process, "worker.started")
    process.send_signal(signal.SIGTERM)
    said(process, "end=told")
    assert process.wait(60) == 0


def test_told_to_stop_between_its_end_and_its_start_it_ends(resting: Callable[..., subprocess.Popen[str]]) -> None:
    process = resting("told")
    said(process, "worker --again")
    assert process.wait(60) == -signal.SIGTERM

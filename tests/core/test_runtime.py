"""What a process holds: one of each thing, closed at the end, and hooks that are called in the order that was given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask_socketio import SocketIO

from quadra.app import create_app
from quadra.core.presence import Presence
from quadra.core.runtime import Runtime, build
from quadra.core.settings import load
from quadra.core.web import realtime
from quadra.ingest.doors.intake import Intake
from tests.servers.schema import bring_up


class Part:
    made: int = 0

    def __init__(self, _runtime: Runtime):
        Part.made += 1
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = build(load(data_dir=tmp_path, secret_key="a secret of this test, that is long enough"))
    yield made
    made.close()


def test_many_threads_that_ask_at_once_get_the_one_thing_of_the_process(runtime: Runtime) -> None:
    Part.made = 0
    together, got = threading.Barrier(8), []

    def ask() -> None:
        together.wait()
        got.append(runtime.the(Part))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Part.made == 1
    assert set(map(id, got)) == {id(runtime.the(Part))}


def test_another_runtime_has_things_of_its_own(runtime: Runtime, tmp_path: Path) -> None:
    other = build(load(data_dir=tmp_path / "other"))
    try:
        assert other.the(Part) is not runtime.the(Part)
        assert other.name != runtime.name
    finally:
        other.close()


def test_what_is_kept_is_closed_once_and_made_anew_when_it_is_asked_for_again(runtime: Runtime) -> None:
    part = runtime.the(Part)
    runtime.close()
    runtime.close()
    assert part.closed == 1
    assert runtime.the(Part) is not part


def test_what_nobody_kept_is_not_there(runtime: Runtime) -> None:
    with pytest.raises(LookupError):
        runtime.kept(Intake)


def plain(hook: Any) -> Any:
    return hook.func if isinstance(hook, partial) else hook


def test_a_web_process_stops_in_order_the_writer_first_and_connections_and_its_row_last(runtime: Runtime) -> None:
    """Whoever has an event acknowledged hears of it before the connection ends; the row is there as long as the process is."""
    bring_up(runtime.database)
    presence = Presence(runtime)
    create_app(runtime)
    presence.attach()
    stops = [plain(hook) for hook in runtime.on_stop]
    assert stops[0] == runtime.kept(Intake).writer.stop
    assert stops[-2:] == [realtime.close_connections, presence._leave]
    starts = [plain(hook) for hook in runtime.on_start]
    assert starts.index(runtime.bus.start) < starts.index(runtime.kept(Intake).writer.start)
    assert isinstance(runtime.kept(SocketIO), SocketIO)

"""When what the live numbers begin with is read: once for whoever goes from page to page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quadra.core import clock
from quadra.core.bus import NoBus
from quadra.core.runtime import Runtime
from quadra.dashboard.channel import Channel
from quadra.dashboard.channels import LEFT, Channels
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from tests.insights.conftest import opened


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder: Path = tmp_path_factory.mktemp("channels")
    with opened(f"sqlite:///{folder / 'quadra.db'}") as runtime:
        yield runtime


def opened_with_fakes(runtime: Runtime) -> tuple[Channels, Callable[[Channel], None]]:
    """Channels on a fake loop that does nothing by itself, and a turn of one of them."""
    loop = SimpleNamespace(sleep=lambda _seconds: None, spawn=lambda *_given: None)
    threads = SimpleNamespace(run=lambda call, *given, **more: call(*given, **more))
    fake: Any = SimpleNamespace(database=runtime.database, loop=loop, bus=NoBus())
    channels = Channels(fake, threads, lambda *_message: None)  # type: ignore[arg-type]
    return channels, lambda channel: channels._turn(channel, None, True)


def store(runtime: Runtime, *names: str) -> None:
    at = clock.now_us()
    log = Log(runtime.database, writer="elsewhere", batch_max_events=100, job_kinds={})
    log.append([Row(1, name, "event", "far", "far", at, at, user_id="bob") for name in names])


def test_a_channel_is_kept_on_a_fake_loop_for_who_comes_back_and_counts_what_came_meanwhile(runtime: Runtime) -> None:
    channels, turn = opened_with_fakes(runtime)
    store(runtime, "one", "two")
    shown = (1, "shop", "Shop", "UTC")
    first = channels.open(*shown)
    first.viewers.add("page")
    assert first.snapshot().totals.today == 2
    first.viewers.clear()
    turn(first)
    store(runtime, "three")
    again = channels.open(*shown)
    assert again is first
    assert again.snapshot().totals.today == 3
    assert channels.open(1, "shop", "Shop", "Europe/Berlin") is not first  # a setting was changed meanwhile


def test_a_channel_is_given_up_on_a_fake_loop_when_nobody_came_back(runtime: Runtime) -> None:
    channels, turn = opened_with_fakes(runtime)
    shown = (1, "shop", "Shop", "UTC")
    first = channels.open(*shown)
    first.watched_at -= 2 * LEFT
    turn(first)
    assert channels.open(*shown) is not first

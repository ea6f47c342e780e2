"""What the watcher does about a process that ended, without one: fakes that only note what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from quadra.core.settings import Settings, load
from quadra.rollout import watching
from quadra.rollout.gates import Refused
from quadra.rollout.place import Place
from quadra.rollout.records import Kept, history
from quadra.rollout.watching import Watcher
from tests.rollout.test_records import FakeFleet


class StubbornFleet(FakeFleet):
    """Its replica ends again and again."""

    def restart(self, kept: Kept) -> None:
        self.did.append("restarted")
        raise Refused("deployment", "it ended")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(data_dir=tmp_path, supervisor_attempts=3, supervisor_backoff="1s")


@pytest.fixture
def fleet(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> StubbornFleet:
    monkeypatch.setattr(watching.processes, "kill", lambda _kept: None)
    place = Place(tmp_path / "rollout")
    place.make()
    return StubbornFleet(place, settings)


def test_what_ends_again_and_again_is_given_up_after_its_attempts(
    fleet: StubbornFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(watching.time, "time", lambda: now[0])
    kept = Kept("web-1", "web", 1, 1.0, "", "one", port=7000, slot=0)
    said: list[str] = []
    watcher = Watcher(fleet, said.append)
    for _ in range(10):
        watcher._start_again(kept, "web-1 ended.")
        now[0] += 3_600
    assert fleet.did == ["restarted"] * 3
    assert kept.state == "given_up"
    outcomes = [act["outcome"] for act in history(fleet.place)["acts"]]
    assert outcomes == ["given_up", "failed", "failed", "failed"]  # the newest first
    assert len(said) == 4


def test_the_next_attempt_waits_for_its_time(fleet: StubbornFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(watching.time, "time", lambda: now[0])
    kept = Kept("web-1", "web", 1, 1.0, "", "one", port=7000, slot=0)
    watcher = Watcher(fleet, lambda _said: None)
    for _ in range(3):
        watcher._start_again(kept, "web-1 ended.")
    assert fleet.did == ["restarted"]
    now[0] = kept.next_attempt
    watcher._start_again(kept, "web-1 ended.")
    assert fleet.did == ["restarted"] * 2

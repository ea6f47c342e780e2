"""What is done about a fault, and when it is not: over a fleet that is a fake, and looks that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from quadra.core.settings import Settings
from quadra.rollout import deploying, healing
from quadra.rollout.faults import FAULTS, KINDS, Traffic, judge_traffic
from quadra.rollout.gates import Refused
from quadra.rollout.healing import Healer, backoff
from quadra.rollout.looking import Seen
from quadra.rollout.place import Place
from quadra.rollout.records import Deployment, Kept, Migration, history, note
from tests.rollout.fakes import FakeFleet

SICK = Seen("errors", "web-1: 9 of 20 requests failed.", "failing", {"errors": 9, "requests": 20})


class Ward:
    """A release `two` that came after `one`, with one replica, and time that passes as the test says."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool = False):
        self.now = 1_000_000.0
        self.seen = SICK
        monkeypatch.setattr("time.time", lambda: self.now)
        monkeypatch.setattr("random.uniform", lambda _low, _high: 1.0)
        monkeypatch.setattr(healing, "look", lambda *_: self.seen)
        monkeypatch.setattr(healing.processes, "alive", lambda _: True)
        monkeypatch.setattr(healing, "clear_cache", lambda _: 7)
        monkeypatch.setattr(deploying, "STEPS", {})
        monkeypatch.setattr(deploying, "BACK", {"switch": self._switch})
        for release in ("one", "two"):
            place.program(release).parent.mkdir(parents=True)
            place.program(release).touch()
        self.place = place
        self.fleet = FakeFleet(place, Settings())
        self.state = self.fleet.state
        self.state.release, self.state.previous, self.state.serving = "two", "one", "d2"
        self.state.processes = [
            Kept("web-1", "web", 1, 1.0, "", "two", deployment="d2", port=7001, slot=0),
            Kept("balancer", "balancer", 1, 1.0, "", "haproxy"),
        ]
        made = Deployment(id="d2", release="two", previous="one", trigger="cli", started_at="", status="completed")
        note(place, deployment=made)
        self.healer = Healer(self.fleet, lambda _: None, dry_run=dry_run)

    def _switch(self, fleet: FakeFleet, deployment: Deployment) -> None:
        self.state.release, self.state.serving, deployment.status = deployment.release, deployment.id, "completed"

    def suffer(self, times: int = 1, after: float = 100_000.0) -> list[tuple[str, str]]:
        """The acts (oldest first) after so many rounds of sickness."""
        for _ in range(times):
            self.healer.relieve(self.fleet.serving(), SICK)
            self.now += after
        return self.acts()

    def acts(self) -> list[tuple[str, str]]:
        return [(one.action, one.outcome) for one in reversed(history(self.place).acts)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path / "rollout")
    found.make()
    return found


@pytest.fixture
def ward(place: Place, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(place, monkeypatch)


def test_the_ladder_is_climbed_while_the_fault_comes_back_and_goes_back_at_last(ward: Ward) -> None:
    assert ward.suffer(4) == [
        ("restart", "failed"),
        ("scale_up", "failed"),
        ("clear_cache", "failed"),
        ("rollback", "succeeded"),
    ]
    found = history(ward.place)
    assert [one.attempt for one in reversed(found.acts)] == [1, 2, 3, 4]
    assert found.acts[0].figures == SICK.figures
    back, left = found.deployments
    assert (left.id, left.status, left.failure_kind, left.reason) == (
        "d2",
        "rolled_back",
        "health",
        SICK.reason,
    )
    assert (back.release, back.previous, back.trigger, back.status) == ("one", "two", "heal", "completed")


def test_an_act_that_helped_is_the_last_one_and_is_forgotten_after_a_while(ward: Ward) -> None:
    ward.seen = Seen()
    assert ward.suffer(1, after=0) == [("restart", "succeeded")]
    ward.healer.forget()
    assert ward.state.care.attempts == 1
    ward.now += 601
    ward.healer.forget()
    assert ward.state.care.attempts == 0


def test_attempts_are_ever_further_apart(ward: Ward) -> None:
    assert [backoff(Settings(), attempts) for attempts in range(4)] == [60, 120, 240, 480]
    assert len(ward.suffer(1, after=59)) == 1
    assert len(ward.suffer(1, after=2)) == 1
    assert len(ward.suffer(1, after=119)) == 2
    assert len(ward.suffer(1, after=2)) == 2
    assert len(ward.suffer(1)) == 3


def test_each_release_is_gone_back_from_once_and_then_it_is_given_up(ward: Ward) -> None:
    ward.state.rolled_back = ["two"]
    assert ward.suffer(9)[3:] == [("restart", "given_up")]


def test_nobody_goes_back_across_a_migration_that_is_not_additive(ward: Ward) -> None:
    ward.state.heads = {"one": "0001", "two": "0003"}
    ward.state.schema, ward.state.migrations = (
        "0003",
        [Migration("0001", True), Migration("0002", False), Migration("0003", True)],
    )
    assert ("rollback", "succeeded") not in ward.suffer(9)
    ward.state.migrations[1].additive = True
    ward.state.care = type(ward.state.care)()
    assert ("rollback", "succeeded") in ward.suffer(9)


def test_an_old_release_is_told_of_the_newer_schema_that_it_may_run_over_and_of_no_other(ward: Ward) -> None:
    ward.state.heads = {"one": "0001", "two": "0003"}
    ward.state.schema, ward.state.migrations = "0003", [Migration(f"000{one}", True) for one in (1, 2, 3)]
    assert ward.fleet.environment("one")["QUADRA_ROLLOUT_SCHEMA"] == "0003"
    ward.state.migrations[2].additive = False
    assert ward.fleet.environment("one")["QUADRA_ROLLOUT_SCHEMA"] == ""
    assert ward.fleet.environment("a stranger")["QUADRA_ROLLOUT_SCHEMA"] == ""


def test_a_dry_run_writes_down_what_it_does_not_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ward = Ward(place, monkeypatch, dry_run=True)
    assert set(ward.suffer(4)) == {(action, "dry_run") for action in ("restart", "scale_up", "clear_cache", "rollback")}
    ward.healer.mend(ward.fleet.serving()[0], "ended", "web-1 ended.", {})
    assert ward.acts()[-1] == ("restart", "dry_run")
    assert ward.fleet.did == []
    assert ward.state.care.attempts == 4
    Healer(ward.fleet, lambda _: None)  # the next watcher, which means it
    assert (ward.state.care.attempts, ward.fleet.serving()[0].attempts) == (0, 0)


@pytest.mark.parametrize("fault", ["ended", "hangs", "memory"])
def test_a_process_is_started_again_a_few_times_and_then_given_up(ward: Ward, fault: str) -> None:
    ward.state.previous = None
    for _ in range(9):
        for kept in ward.fleet.serving():
            ward.healer.mend(kept, fault, "Why.", {"rss_mb": 900})
        ward.now += 100_000
    assert ward.acts() == [("restart", "succeeded")] * 5 + [("restart", "given_up")]


def test_nothing_is_tried_again_before_its_time(ward: Ward) -> None:
    """The watcher looks twice a second; a restart each time is no help."""
    ward.state.previous = None

    def look(times: int, after: float) -> int:
        for _ in range(times):
            for kept in ward.fleet.serving():
                ward.healer.mend(kept, "ended", "Why.", {})
            ward.healer.relieve(ward.fleet.serving(), SICK)
            ward.now += after
        return len(ward.acts())

    pause = backoff(Settings(), 0)
    assert look(5, pause / 10) == 2  # one act for the process, one for the release
    assert look(1, pause) == 2  # half of the time is over
    assert look(1, 0) == 4


def test_a_restart_that_is_refused_is_a_failed_act_with_its_reason(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_kept: Kept) -> None:
        raise Refused("health", "web-1 was not ready within 60 s.")

    monkeypatch.setattr(ward.fleet, "restart", refuse)
    ward.healer.mend(ward.fleet.serving()[0], "ended", "web-1 ended.", {})
    [act] = history(ward.place).acts
    assert (act.outcome, act.reason) == ("failed", "web-1 ended. web-1 was not ready within 60 s.")


def test_few_requests_say_nothing_and_many_bad_ones_do() -> None:
    assert judge_traffic(None, (10, 0)) == Traffic("inconclusive")
    assert judge_traffic((900, 0), (10, 10)) == Traffic("inconclusive")  # another process, which counts anew
    assert judge_traffic((0, 0), (49, 49)).traffic == "inconclusive"
    assert judge_traffic((0, 0), (100, 5)).traffic == "well"
    assert judge_traffic((0, 0), (100, 6)).traffic == "errors"


def test_every_fault_is_of_a_kind_and_does_least_harm_first() -> None:
    for fault in FAULTS.values():
        assert fault.kind in KINDS
        assert fault.ladder[0] == "restart"
        assert fault.ladder.count("rollback") == 1


def test_the_page_of_rollouts_names_every_kind_and_every_ladder() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text()
    for kind in KINDS:
        assert f"`{kind}`" in text
    for name, fault in FAULTS.items():
        words = ", ".join(action.replace("rollback", "roll back") for action in fault.ladder)
        if name in ("ended", "hangs", "memory"):
            assert text.count(f"| {words} |") >= 1, name
    assert "restart, one more replica (at most two more), clear the cache, roll back" in text

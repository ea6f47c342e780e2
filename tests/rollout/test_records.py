"""What is decided without processes: the gate, names, the journal, how a deployment that was broken off is settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from quadra.core.errors import Conflict, Invalid, Unavailable
from quadra.core.settings import Settings
from quadra.rollout import deploying, requests
from quadra.rollout.balancers import BALANCERS, Routes
from quadra.rollout.gates import Refused, figures_of, judge
from quadra.rollout.place import Place, Plan
from quadra.rollout.records import Deployment, Kept, history, load_state, note
from tests.rollout.fakes import FakeFleet


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path / "rollout")
    found.make()
    return found


def deployment(**given: object) -> Deployment:
    return Deployment(id="d2", release="two", previous="one", trigger="cli", started_at="2026-11-30T00:00:00Z", **given)


def broken_off(place: Place, *, serving: str, status: str = "running") -> FakeFleet:
    """What a watcher left that was killed: a replica of each release, and d2 under way."""
    fleet = FakeFleet(place, Settings())
    for number, one in enumerate(("d1", "d2")):
        # no process of this machine was born then, so none is touched
        fleet.state.processes.append(
            Kept(f"web-{one}", "web", 1, 1.0, "", "one", deployment=one, port=7000 + number, slot=number)
        )
    fleet.state.processes.append(Kept("balancer", "balancer", 1, 1.0, "", "haproxy"))
    fleet.state.release, fleet.state.serving, fleet.state.before = "one", serving, "d1"
    fleet.state.deployment = deployment(status=status)
    fleet.of("web")[serving == "d1"].leaving = serving == "d2"
    fleet.save()
    return fleet


def test_a_deployment_that_was_broken_off_before_the_switch_leaves_the_old_release(place: Place) -> None:
    fleet = broken_off(place, serving="d1")
    deploying.settle(fleet)
    assert fleet.did == ["web-d2"]
    [ended] = history(place).deployments
    assert (ended.status, ended.failure_kind) == ("failed", "deployment")
    assert load_state(place).deployment is None


def test_one_that_was_broken_off_after_the_switch_goes_back_before_anything_ends(place: Place) -> None:
    fleet = broken_off(place, serving="d2")
    deploying.settle(fleet)
    assert fleet.did == [({0: 7000}, {1: 7001}), "web-d2"]
    assert history(place).deployments[0].status == "rolled_back"


def test_one_that_was_broken_off_while_the_old_release_drained_is_finished(place: Place) -> None:
    fleet = broken_off(place, serving="d2", status="completed")
    deploying.settle(fleet)
    assert fleet.did == ["web-d1"]
    [ended] = history(place).deployments
    assert (ended.status, ended.failure_kind) == ("completed", None)


def test_the_gate_names_what_it_measured() -> None:
    quick = [(200, 0.01)] * 198
    good = figures_of([*quick, (401, 0.01), (503, 0.01)], 1.0)
    judge(good)
    assert good.errors == 1
    with pytest.raises(Refused, match="p95 is 3") as slow:
        judge(figures_of([*quick[:180], *[(200, 3.0)] * 20], 1.0))
    assert (slow.value.kind, slow.value.figures["p95_ms"]) == ("performance", 3000.0)
    with pytest.raises(Refused, match="3 of 200 requests failed") as broken:
        judge(figures_of([*quick[:197], (500, 0.01), (500, 0.01), (0, 0.01)], 1.0))
    assert (broken.value.kind, broken.value.figures["errors"]) == ("health", 3)


def test_the_gate_compares_with_the_release_before_where_the_difference_is_felt() -> None:
    for p95, before, refused in ((0.9, 200.0, True), (0.9, 400.0, False), (0.4, 20.0, False), (0.9, None, False)):
        found = figures_of([(200, p95)] * 100, 2.0)
        if refused:
            with pytest.raises(Refused, match="times the 200 ms of the release before"):
                judge(found, before)
        else:
            judge(found, before)


@pytest.mark.parametrize("name", ["../one", "a/b", "", "..", ".hidden", "one\n", "a..b"])
def test_a_release_is_named_and_never_a_path(place: Place, name: str) -> None:
    with pytest.raises(Invalid, match="name of a release"):
        place.require_release(name)


def test_an_unknown_release_is_named_with_those_that_there_are(place: Place) -> None:
    place.program("one").parent.mkdir(parents=True)
    place.program("one").touch()
    with pytest.raises(Invalid) as refused:
        place.require_release("two")
    assert "There is: one." in refused.value.fields["NAME"]


def test_nothing_is_asked_for_where_nobody_watches(place: Place) -> None:
    place.program("one").parent.mkdir(parents=True)
    place.program("one").touch()
    with pytest.raises(Unavailable, match="quadra rollout watch"):
        requests.ask(place, "one", "cli")


def test_a_second_deployment_is_refused_while_one_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.program("one").parent.mkdir(parents=True)
    place.program("one").touch()
    monkeypatch.setattr(requests, "watcher", lambda _: 1)
    asked = requests.ask(place, "one", "cli")
    with pytest.raises(Conflict):
        requests.ask(place, "one", "cli")
    taken = requests.take(place)
    assert taken is not None
    assert taken.id == asked
    broken_off(place, serving="d1")
    with pytest.raises(Conflict, match="two"):
        requests.ask(place, "one", "cli")


def test_a_line_that_was_cut_off_costs_only_itself(place: Place) -> None:
    note(place, deployment=deployment())
    with place.journal.open("ab") as file:
        file.write(b'{"at":"2026-')
    note(place, deployment=deployment(status="failed"))
    assert [one.status for one in history(place).deployments] == ["failed"]


@pytest.mark.parametrize("kind", BALANCERS)
def test_the_shipped_configuration_takes_the_replicas_that_serve_and_no_others(place: Place, kind: str) -> None:
    plan = Plan(public_port=8123, replicas=2, workers=1, balancer=kind)
    made = BALANCERS[kind](place, plan)
    text = made.text(Routes({0: 7001, 3: 7004}, {}))
    assert "web-a" not in text
    assert "8080" not in text
    assert "8123" in text
    assert text.count("127.0.0.1:7001") == text.count("127.0.0.1:7004") == 2
    serving = [line for line in text.splitlines() if line.lstrip().startswith("server ") and " disabled" not in line]
    assert len([line for line in serving if "127.0.0.1:" in line]) == 4
    changing = made.text(Routes({0: 7001}, {3: 7004}))
    assert changing.count("127.0.0.1:7001") == 2
    reached = [line for line in changing.splitlines() if "127.0.0.1:7004" in line and " disabled" not in line]
    assert len(reached) == (kind == "nginx")  # HAProxy is told over its socket, after its start too
    nobody = made.text(Routes({}, {}))
    assert "127.0.0.1:9 down" in nobody or nobody.count(" disabled") == 2 * len(made.slots)

"""Checks run at the same time, none longer than it may, and together they say one thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.health.checks import CHECKS
from quadra.health.context import CheckContext, Machine
from quadra.health.runner import Runner
from quadra.health.verdict import DEGRADED, HEALTHY, UNHEALTHY, Check, Found, degraded, graded, healthy, unhealthy
from tests.waiting import eventually


@pytest.fixture
def context(tmp_path: Path) -> Iterator[CheckContext]:
    database = Database(f"sqlite:///{tmp_path / 'quadra.db'}")
    yield CheckContext(Runtime(load(data_dir=tmp_path), database), "web")
    database.dispose()


def report_of(context: CheckContext, *checks: Check) -> dict[str, str]:
    report = Runner(context, checks).report()
    return {"overall": report.status, **{one.name: one.found.status for one in report.checks}}


def test_one_unhealthy_check_makes_all_unhealthy_and_one_degraded_makes_all_degraded(context: CheckContext) -> None:
    well = Check("well", "ingest", lambda _: healthy("It is."))
    so_so = Check("so_so", "live", lambda _: degraded("So so."))
    ill = Check("ill", "machine", lambda _: unhealthy("It is not."))
    assert report_of(context, well)["overall"] == HEALTHY
    assert report_of(context, well, so_so)["overall"] == DEGRADED
    assert report_of(context, well, so_so, ill)["overall"] == UNHEALTHY


def test_what_quadra_can_do_without_is_never_worse_than_degraded(context: CheckContext) -> None:
    optional = Check("redis", "live", lambda _: unhealthy("It is away."), worst=DEGRADED)
    assert report_of(context, optional) == {"overall": DEGRADED, "redis": DEGRADED}


def test_what_is_not_configured_is_not_listed(context: CheckContext) -> None:
    assert report_of(context, Check("redis", "live", lambda _: None)) == {"overall": HEALTHY}


def test_a_check_that_hangs_fails_in_time_and_is_not_started_twice(context: CheckContext) -> None:
    release, started = threading.Event(), []

    def hang(_: CheckContext) -> Found:
        started.append(1)
        release.wait(90)
        return healthy("At last.")

    runner = Runner(
        context,
        [Check("slow", "ingest", hang, seconds=0.2), Check("ok", "ingest", lambda _: healthy("Yes."), seconds=60)],
    )
    began = time.monotonic()
    for _ in range(3):
        found = {one.name: one.found for one in runner.report(max_age_seconds=0).checks}
        assert (found["slow"].status, found["ok"].status) == (UNHEALTHY, HEALTHY)
        assert "0.2 s" in found["slow"].message
    assert time.monotonic() - began < 25, "three times 0.2 s, not the 90 s that the check hangs"
    assert len(started) == 1
    release.set()
    eventually(lambda: runner.report(max_age_seconds=0).status == HEALTHY)
    assert len(started) >= 2


def test_checks_run_at_the_same_time(context: CheckContext) -> None:
    together = threading.Barrier(5)

    def meet(_: CheckContext) -> Found:
        together.wait(90)
        return healthy("Met.")

    checks = [Check(f"c{number}", "ingest", meet, seconds=60) for number in range(5)]
    assert set(report_of(context, *checks).values()) == {HEALTHY}


def test_an_error_of_a_check_is_its_verdict_and_a_mistake_does_not_end_the_report(context: CheckContext) -> None:
    def away(_: CheckContext) -> Found:
        raise Unavailable("The database does not answer; try again.")

    def mistake(_: CheckContext) -> Found:
        raise ZeroDivisionError("secret")

    report = Runner(context, [Check("away", "ingest", away), Check("mistake", "ingest", mistake)]).report()
    messages = [one.found.message for one in report.checks]
    assert report.status == UNHEALTHY
    assert messages[0] == "The database does not answer; try again."
    assert "ZeroDivisionError" in messages[1]
    assert "secret" not in messages[1]


def test_many_who_ask_at_once_get_one_report(context: CheckContext) -> None:
    looks: list[int] = []

    def look(_: CheckContext) -> Found:
        looks.append(1)
        time.sleep(0.2)
        return healthy("Yes.")

    runner = Runner(context, [Check("c", "ingest", look)])
    threads = [threading.Thread(target=runner.report) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1


def test_a_check_that_is_kept_is_not_asked_at_every_turn(context: CheckContext) -> None:
    looks: list[int] = []

    def look(_: CheckContext) -> Found:
        looks.append(1)
        return healthy("Yes.")

    runner = Runner(context, [Check("ai", "ai", look, keep_seconds=60)])
    for _ in range(3):
        assert len(runner.report(max_age_seconds=0).checks) == 1
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("value", "status"), [(0, HEALTHY), (79.9, HEALTHY), (80, DEGRADED), (94.9, DEGRADED), (95, UNHEALTHY)]
)
def test_a_number_is_graded_from_its_thresholds_on(value: float, status: str) -> None:
    assert graded(value, 80, 95) == status


class BusyMachine(Machine):
    """Processors that have been busy for five minutes."""

    def cpu(self) -> tuple[float, float]:
        return 99.9, 300.0


def test_busy_processors_are_never_worse_than_degraded(context: CheckContext) -> None:
    context.machine = BusyMachine()
    (check,) = [check for check in CHECKS if check.name == "cpu"]
    (found,) = Runner(context, [check]).report().checks
    assert found.found.status == DEGRADED
    assert found.found.message.startswith("Processors were 99.9 % busy over 300 s.")


def test_the_processors_are_measured_without_being_asked() -> None:
    percent, seconds = Machine().cpu()
    assert 0 <= percent <= 100
    assert seconds > 0

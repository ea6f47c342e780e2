"""Signals minute by minute: judged before they are learned, remembered exactly, and one anomaly from its begin to its end."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from quadra.accounts.projects import OWN
from quadra.accounts.tables import Project
from quadra.analytics.kept.goal_signals import goal_signals
from quadra.analytics.tables import GoalRow
from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.field import minutes, signal_store, watching
from quadra.field.expected import Expected
from quadra.field.minutes import Going, Reading, Signals, follow
from quadra.field.signals import MINUTE_US, SIGNALS, Signal
from quadra.field.tables import SignalMinute, SignalProgress, SignalState
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.ingest.tables import Batch
from quadra.insights.anomalies import anomalies_since
from quadra.insights.signal_findings import tell
from quadra.insights.tables import Insight
from tests.insights.conftest import opened

EVENTS = SIGNALS[0]
START = 29_000_000 - 29_000_000 % 10_080


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}", data_dir=tmp_path) as runtime:
        yield runtime
        runtime.close()


@pytest.fixture
def any_runtime(any_database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    with opened(any_database_url, data_dir=tmp_path) as runtime:
        yield runtime
        runtime.close()


def traffic(count: int, seed: int = 1, level: float = 40.0) -> list[float]:
    """More by day than by night, and less on two days of the week."""
    source, found = random.Random(seed), []
    for i in range(count):
        usual = level * (1 + 0.6 * math.sin(i / 1440 * 2 * math.pi)) * (0.6 if i // 1440 % 7 > 4 else 1)
        found.append(float(max(0, round(source.gauss(usual, math.sqrt(usual))))))
    return found


def followed(values: Sequence[float], signal: Signal = EVENTS) -> tuple[list[Reading], list[Going]]:
    signals, going, readings, seen = Signals(START), {}, [], {}  # type: ignore[var-annotated]
    for value in values:
        minute = signals.until
        one = signals.judge({signal.name: value})
        seen |= {found.id: found for found in follow(going, [signal], minute, one)}
        readings.append(one[signal.name])
    return readings, list(seen.values())


def test_a_minute_is_judged_by_those_before_it_alone() -> None:
    at = 2_995  # in the middle of a slot: what was learned of it moves its band
    past = traffic(at)
    one, _ = followed([*past, *[0.0] * 100])
    other, _ = followed([*past, *[300.0] * 100])  # on the other side: the level follows neither far
    assert one[:at] == other[:at]
    assert (one[at].low, one[at].high) == (other[at].low, other[at].high)  # made before its value is known
    assert one[at + 1 :] != other[at + 1 :]


def test_a_first_day_has_a_band_at_each_minute_after_two_hours() -> None:
    source, expected = random.Random(5), Expected()
    judged = [expected.judge(START + minute, source.gauss(100, 10)) for minute in range(1_440)]
    assert [minute for minute, one in enumerate(judged) if (one.low is None) is not (minute < 121)] == []


def test_usual_traffic_over_weekends_lies_within_its_band_and_is_no_anomaly() -> None:
    values = traffic(12 * 1440)
    readings, found = followed(values)
    later = [one for one in readings[8 * 1440 :] if one.low is not None]
    inside = sum(one.low <= one.value <= one.high for one in later)  # type: ignore[operator]
    assert 0.9 < inside / len(later) < 0.99
    assert len([one for one in found if one.is_told]) <= 3


@pytest.mark.parametrize(("factor", "up"), [(0.0, False), (4.0, True)])
def test_an_anomaly_begins_at_once_goes_on_as_one_and_ends(factor: float, up: bool) -> None:
    values = traffic(4 * 1440)
    at = 3 * 1440 + 300
    values[at : at + 15] = [value * factor for value in values[at : at + 15]]
    readings, found = followed(values)
    (one,) = [one for one in found if one.since - START >= 3 * 1440]
    assert (one.since - START, one.up, one.ended) == (at, up, True)
    assert 13 <= one.minutes <= 16
    assert all(reading.anomalous for reading in readings[at : at + 12])
    assert not readings[at - 1].anomalous
    assert not readings[at + 40].anomalous


def test_a_new_level_becomes_the_usual_one() -> None:
    values = traffic(6 * 1440)
    shifted = [value * 3 if i > 4 * 1440 else value for i, value in enumerate(values)]
    readings, found = followed(shifted)
    (one,) = [one for one in found if 4 * 1440 <= one.since - START < 7 * 1440]
    assert one.ended
    assert one.minutes <= minutes.MOST_MINUTES
    last = readings[-600:]
    assert sum(r.low <= r.value <= r.high for r in last) > 0.8 * len(last)  # type: ignore[operator]


@pytest.mark.parametrize("value", [0.0, 5.0, 1e-9, 1e300])
def test_a_constant_signal_is_never_an_anomaly(value: float) -> None:
    readings, found = followed([value] * 3_000)
    assert found == []
    assert max(one.score for one in readings) <= 0.5


def test_every_number_has_a_reading_and_what_is_missing_teaches_nothing() -> None:
    values = [*traffic(200), math.nan, math.inf, -math.inf, -5.0, 1e308, math.nan]
    readings, _ = followed(values)
    assert all(0 <= one.score <= 1 for one in readings)
    assert readings[200] == Reading(None, readings[200].low, readings[200].high, 0.0)
    known = Expected()
    for minute, value in enumerate(traffic(200)):
        known.judge(minute, value)
    before = minutes.pack(known)
    known.judge(200, math.nan)
    assert minutes.pack(known) == before


def test_what_was_saved_goes_on_alike() -> None:
    signals = Signals(START)
    for value in traffic(3_000):
        signals.judge({"events": value})
    again = Signals(signals.until, {"events": minutes.unpack(minutes.pack(signals.known["events"]))})
    more = traffic(300, seed=4)
    assert [again.judge({"events": v}) for v in more] == [signals.judge({"events": v}) for v in more]
    assert minutes.pack(again.known["events"]) == minutes.pack(signals.known["events"])


_numbers = iter(range(10**9))


def store(runtime: Runtime, per_minute: Sequence[int], *, until: int | None = None, **fields: object) -> None:
    """Events of the last minutes that are to be judged."""
    end = until or watching.settled()
    rows = [
        Row(
            project_id=1,
            event_id=f"e{next(_numbers)}",
            kind=str(fields.get("kind", "event")),
            name="signup" if number % 4 == 0 else "click",
            event_type="click",
            user_id=f"u{number}",
            occurred_at=(end - len(per_minute) + place) * MINUTE_US + number * 100_000,
            received_at=clock.now_us(),
        )
        for place, count in enumerate(per_minute)
        for number in range(count)
    ]
    Log(runtime.database, writer="test", batch_max_events=5_000, job_kinds={}).append(rows)


def stored(runtime: Runtime) -> list[SignalMinute]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(SignalMinute).order_by(SignalMinute.minute_at)))


def test_minutes_are_counted_once_those_without_events_too(any_runtime: Runtime) -> None:
    store(any_runtime, [*[25] * 90, 20, 0, 30])
    watching.watch(any_runtime, tell=tell)
    watching.watch(any_runtime, tell=tell)
    rows = stored(any_runtime)[90:]
    with any_runtime.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(SignalState)) == len(SIGNALS)
    assert [row.readings["events"][0] for row in rows[:3]] == [20.0, 0.0, 30.0]
    assert rows[0].readings["people"][0] == 20.0
    assert rows[1].readings["latency"][0] is None
    assert rows[0].readings["ai_cost"][0] == 0.0


def test_at_rest_no_minute_needs_the_warehouse(any_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as DuckDB says of them: events from earlier minutes, and one from ahead, are not in them."""
    store(any_runtime, [3, 1], until=watching.settled() - 10)
    watching.watch(any_runtime)
    asked = stored(any_runtime)
    later = watching.settled() + 30
    monkeypatch.setattr(watching, "settled", lambda: later)
    store(any_runtime, [1], until=watching.settled() + 10)
    with monkeypatch.context() as patch:
        patch.setattr(watching, "warehouse_of", lambda _: pytest.fail("minutes without events were asked for"))
        watching.watch(any_runtime)
    rows = stored(any_runtime)
    assert len(rows) > len(asked)
    value_of = {name: reading[0] for name, reading in asked[-1].readings.items()}
    assert all({name: reading[0] for name, reading in row.readings.items()} == value_of for row in rows[len(asked) :])


@pytest.mark.parametrize("sealed", [False, True])
def test_an_event_that_came_ahead_of_its_time_is_in_its_minute(runtime: Runtime, sealed: bool) -> None:
    store(runtime, [5], until=watching.settled() - 60)
    watching.watch(runtime)
    with runtime.database.begin() as session:
        end = watching.settled()
        session.execute(sa.update(SignalProgress).values(until_at=signal_store.at_minute(end - 3)))
        session.execute(sa.delete(SignalMinute))
    store(runtime, [7], until=end - 1)
    with runtime.database.begin() as session:  # a day ahead, in a batch of its own time
        day_before = clock.from_us((end - 3) * MINUTE_US) - timedelta(hours=23, minutes=59)
        sealed_at = day_before if sealed else None
        session.execute(
            sa.update(Batch).values(
                status="SEALED" if sealed else "OPEN", opened_at=day_before - timedelta(minutes=1), sealed_at=sealed_at
            )
        )
    watching.watch(runtime)
    assert [row.readings["events"][0] for row in stored(runtime)][:3] == [0.0, 7.0, 0.0]


def test_minutes_of_quadra_itself_are_judged_together(runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        session.execute(sa.update(Project).where(Project.id == 1).values(slug=OWN))
    store(runtime, [5] * 20)
    watching.watch(runtime)
    judged = len(stored(runtime))
    with runtime.database.begin() as session:
        before = watching.settled() - watching.OWN_MINUTES + 1
        session.execute(sa.update(SignalProgress).values(until_at=signal_store.at_minute(before)))
    watching.watch(runtime)
    assert len(stored(runtime)) == judged


def test_goals_are_signals_too(runtime: Runtime) -> None:
    store(runtime, [20, 4])
    with runtime.database.begin() as session:
        session.add(GoalRow(project_id=1, created_by="test", name="Sign-ups", event="signup"))
        session.add(GoalRow(project_id=1, created_by="test", name="Prices seen", page="/pricing/*"))
        session.add(
            GoalRow(project_id=1, created_by="test", name="Clicks", event="click", where={"event_type": ["click"]})
        )
    watching.watch(runtime, more=[goal_signals])
    first, second, *_ = stored(runtime)
    goals = [reading for name, reading in first.readings.items() if name.startswith("goal:")]
    assert [reading[0] for reading in goals] == [25.0, 0.0, 75.0]
    assert {reading[0] for name, reading in second.readings.items() if name.startswith("goal:")} == {None}


def test_an_anomaly_is_one_insight_with_its_minutes_from_begin_to_end(runtime: Runtime) -> None:
    source = random.Random(1)
    usual = [source.randrange(15, 26) for _ in range(400)]
    # of the first day's slots of ten minutes only the minutes 1 to 4 are sure to have a band: these are 1 and 2.
    # the second is far worse: their bands differ in width, by the time of day at which the test runs
    store(runtime, [*usual, 200, 400], until=(watching.settled() - 20) // 10 * 10 - 7)
    began = clock.now()
    watching.watch(runtime, tell=tell)
    with runtime.database.read() as session:
        found = session.scalars(sa.select(Insight).where(Insight.analyst == "field")).all()
        listed = anomalies_since(session, 1, began)
    (events,) = [one for one in found if one.evidence["subject"] == "events up"]
    assert events.batch_id is None
    assert "2 minutes: Events a minute rose to 400" in events.summary
    assert events.event_count == 600
    assert [point[1] for point in events.evidence["points"]].count(400.0) == 1
    assert "events" in [one.signal for one in listed]
    one = next(one for one in listed if one.signal == "events")
    assert (one.value, one.going_on, one.id) == (400.0, False, events.id)
    with runtime.database.read() as session:
        assert anomalies_since(session, 1, clock.now()) == []


def test_another_worker_goes_on_with_the_same_state(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(2)
    store(runtime, [source.randrange(10, 40) for _ in range(200)])
    now = watching.settled()
    monkeypatch.setattr(watching, "settled", lambda: now - 50)
    watching.watch(runtime)
    with runtime.database.read() as session:
        progress = session.get_one(SignalProgress, 1)
        assert progress.saved_at < progress.until_at or progress.saved_at == progress.until_at
    monkeypatch.setattr(watching, "settled", lambda: now - 30)
    watching.watch(runtime)
    first = runtime.the(signal_store.Memory).known[1]
    again = signal_store.load(runtime, 1)
    assert again is not None
    assert again.until == first.until
    assert {name: minutes.pack(one) for name, one in again.known.items()} == {
        name: minutes.pack(one) for name, one in first.known.items()
    }


def test_of_two_workers_that_judge_the_same_minutes_one_keeps_them(runtime: Runtime) -> None:
    store(runtime, [20] * 5)
    assert watching._begin(runtime, 1) is not None
    one, other = signal_store.load(runtime, 1), signal_store.load(runtime, 1)
    assert one is not None
    assert other is not None
    end = watching.settled()
    assert watching._judge(runtime, 1, one, end, None, ())
    assert not watching._judge(runtime, 1, other, end, None, ())
    assert len(stored(runtime)) == 5


def test_a_damaged_state_is_learned_anew(runtime: Runtime) -> None:
    store(runtime, [20] * 90)
    watching.watch(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.update(SignalState).where(SignalState.name == "events").values(data="AAAA"))
        session.execute(sa.update(SignalProgress).values(until_at=SignalProgress.until_at))
    runtime.the(signal_store.Memory).known.clear()
    store(runtime, [20], until=watching.settled() + 1)
    assert signal_store.load(runtime, 1) is None
    watching.watch(runtime)
    assert len(stored(runtime)) == 90


def test_after_a_long_gap_the_minutes_between_are_left_out(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    now = watching.settled()
    monkeypatch.setattr(watching, "settled", lambda: now)  # the next minute may begin meanwhile
    store(runtime, [20] * 5)
    watching.watch(runtime)
    runtime.the(signal_store.Memory).known.clear()
    with runtime.database.begin() as session:
        long_ago = signal_store.at_minute(watching.settled() - 20 * 1440)
        session.execute(sa.delete(SignalMinute))
        session.execute(sa.update(SignalProgress).values(until_at=long_ago, saved_at=long_ago))
    watching.watch(runtime)
    assert 5 <= len(stored(runtime)) <= 8 * 1440


def test_readings_are_rows_of_plain_numbers() -> None:
    assert msgspec.to_builtins({"a": Reading(1.0, None, 2.0, 0.5, True)}) == {"a": [1.0, None, 2.0, 0.5, True]}

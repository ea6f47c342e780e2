"""A condition holds and people are told, once; it does not any longer and they are told, once."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.alerts import delivering, evaluating
from quadra.alerts.kinds import dead_letters
from quadra.alerts.tables import Alert, Delivery, Firing
from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.insights.tables import Insight
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job
from quadra.warehouse.query.engine import Warehouse
from quadra.warehouse.query.snapshot import Look as Events
from tests.alerts.conftest import Asker, Receiver, deliver, evaluate, make_due, take
from tests.insights.conftest import event, fill

MakeAlert = Callable[..., dict[str, Any]]
CHECKOUTS = {"kind": "threshold", "lens": "trends", "params": {"event": "checkout"}, "over_minutes": 60}


def checkouts(runtime: Runtime, count: int, minutes_ago: int = 1) -> None:
    at = clock.now_us() - minutes_ago * 60_000_000
    fill(
        runtime,
        [
            event(name="checkout", event_type="checkout", occurred_at=at, received_at=at, user_id=f"u{number}")
            for number in range(count)
        ],
        jobs=False,
    )


def test_a_threshold_that_is_passed_is_told_once_and_once_more_when_it_is_over(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({**CHECKOUTS, "op": ">", "value": 3})
    evaluate(runtime)
    assert deliver(runtime) == []
    checkouts(runtime, 5)
    evaluate(runtime)
    evaluate(runtime)
    assert len(deliver(runtime)) == 1
    (headers, body), (told,) = receiver.got[0], receiver.bodies
    assert (told["alert"], told["project"], told["state"]) == ("Watch", "shop", "firing")
    assert (told["value"], told["threshold"]) == (5, 3)
    assert told["url"].startswith("https://quadra.example/events?project=shop&from=")
    signature = hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Quadra-Signature"] == f"sha256={signature}"
    [listed] = ask("GET", "/api/alerts")["alerts"]
    assert listed["state"] == "firing"
    ask("PATCH", f"/api/alerts/{made['id']}", {"when": {**CHECKOUTS, "op": ">", "value": 30}})
    evaluate(runtime)
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing", "resolved"]
    [firing] = ask("GET", f"/api/alerts/{made['id']}/firings")["firings"]
    assert firing["state"] == "resolved"
    assert [(one["state"], one["status"]) for one in firing["deliveries"]] == [
        ("firing", "delivered"),
        ("resolved", "delivered"),
    ]
    assert [one["id"] for one in firing["deliveries"]] == [headers["X-Quadra-Delivery"] for headers, _ in receiver.got]


@pytest.mark.parametrize(("op", "now", "fires"), [("rises_by", 9, True), ("rises_by", 7, False), ("falls_by", 2, True)])
def test_a_change_is_measured_against_the_time_before(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, op: str, now: int, fires: bool
) -> None:
    alert({**CHECKOUTS, "op": op, "value": 50})
    checkouts(runtime, 6, minutes_ago=90)
    checkouts(runtime, now)
    evaluate(runtime)
    deliver(runtime)
    assert [one["value"] for one in receiver.bodies] == ([now] if fires else [])


def test_nothing_is_told_before_a_condition_has_held_for_long_enough(runtime: Runtime, alert: MakeAlert) -> None:
    made = alert({**CHECKOUTS, "op": ">", "value": 3, "for_minutes": 5})
    checkouts(runtime, 5)
    evaluate(runtime)
    with runtime.database.begin() as session:
        row = session.get_one(Alert, made["id"])
        assert list(row.pending) == [""]
        assert session.scalars(sa.select(Firing)).all() == []
        row.pending = {"": clock.iso(clock.now() - timedelta(minutes=5))}
    evaluate(runtime)
    assert len(deliver(runtime)) == 1


def test_a_second_firing_is_held_back_while_it_is_quiet(runtime: Runtime, alert: MakeAlert, receiver: Receiver) -> None:
    made = alert({"kind": "dead_letters", "more_than": 0}, quiet_minutes=60)
    for _ in range(2):
        die(runtime)
        evaluate(runtime)
        with runtime.database.begin() as session:
            session.execute(sa.update(Job).where(Job.kind == "dies").values(state="DISCARDED"))
        evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing", "resolved"]
    die(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.update(Firing).values(at=clock.now() - timedelta(minutes=61)))
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing", "resolved", "firing"]
    assert made["quiet_minutes"] == 60


def test_while_it_is_muted_nobody_is_told_and_what_still_fires_afterwards_is(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({"kind": "dead_letters"})
    ask("POST", f"/api/alerts/{made['id']}/mute", {"minutes": 60})
    die(runtime)
    evaluate(runtime)
    assert deliver(runtime) == []
    [firing] = ask("GET", f"/api/alerts/{made['id']}/firings")["firings"]
    assert (firing["state"], firing["deliveries"]) == ("firing", [])
    ask("POST", f"/api/alerts/{made['id']}/mute", {"minutes": 0})
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing"]


def test_a_mute_ends_by_the_clock_and_what_was_over_before_that_is_never_told(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({"kind": "dead_letters"})
    ask("POST", f"/api/alerts/{made['id']}/mute", {"minutes": 60})
    die(runtime)
    evaluate(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.update(Job).where(Job.kind == "dies").values(state="DISCARDED"))
    evaluate(runtime)  # over
    die(runtime)
    for _ in range(2):
        evaluate(runtime)
    assert deliver(runtime) == []
    with runtime.database.begin() as session:  # an hour later
        session.execute(sa.update(Alert).values(muted_until=clock.now() - timedelta(seconds=1)))
    evaluate(runtime)
    deliver(runtime)
    assert [(one["state"], one["late"]) for one in receiver.bodies] == [("firing", False)]
    listed = ask("GET", f"/api/alerts/{made['id']}/firings")["firings"]
    assert sorted((one["state"], len(one["deliveries"])) for one in listed) == [("firing", 1), ("resolved", 0)]


def test_each_kind_sees_what_it_is_for(runtime: Runtime, alert: MakeAlert, receiver: Receiver) -> None:
    alert({"kind": "new_error"}, name="errors")
    alert({"kind": "insight", "at_least": "wrong"}, name="insights")
    alert({"kind": "ai_budget", "usd": 1, "per": "day"}, name="ai")
    alert({"kind": "ai_budget", "usd": 1, "per": "month", "user_id": "u2"}, name="ai of one")
    alert({"kind": "no_events", "minutes": 30}, name="silence")
    alert({"kind": "anomaly", "signal": "events"}, name="anomalies")
    evaluate(runtime)
    assert deliver(runtime) == []
    error = {"kind": "error", "name": "error", "event_type": "error", "user_id": "u1"}
    fields = {"error_type": "ValueError", "message": "No such cart"}
    fill(runtime, [event(**error, fields=fields), event(**error, fields=fields)], jobs=False)
    ai = {"kind": "ai", "name": "ai", "event_type": "ai", "user_id": "u1"}
    fill(runtime, [event(**ai, value=2.5, fields={"model": "m"})], jobs=False)
    with runtime.database.begin() as session:
        for analyst, severity in (("local", "warning"), ("llm", "notice")):
            evidence = {"findings": [{"severity": severity}]}
            session.add(insight(analyst, evidence, batch_id=analyst))
        session.add(insight("field", {"signal": "events", "going_on": True, "value": 9.0, "low": 1.0, "high": 3.0}))
        session.add(insight("field", {"signal": "latency", "going_on": True}, batch_id="b2"))
    evaluate(runtime)
    evaluate(runtime)
    deliver(runtime)
    told = {one["alert"]: one for one in receiver.bodies}
    assert sorted(one["alert"] for one in receiver.bodies) == ["ai", "anomalies", "errors", "insights"]
    assert told["errors"]["message"] == "New error: ValueError: No such cart (2 times, 1 people)."
    assert told["ai"]["value"] == 2.5
    assert (told["anomalies"]["value"], told["anomalies"]["threshold"]) == (9.0, 3.0)


def test_silence_is_told_by_when_the_last_event_was_stored(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver
) -> None:
    alert({"kind": "no_events", "minutes": 30})
    checkouts(runtime, 2, minutes_ago=45)
    evaluate(runtime)
    deliver(runtime)
    [told] = receiver.bodies
    assert told["state"] == "firing"
    assert 44 < told["value"] < 47
    checkouts(runtime, 1, minutes_ago=0)
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing", "resolved"]


def test_an_error_from_before_the_alert_and_one_seen_long_ago_are_not_new(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver
) -> None:
    old = clock.now_us() - 40 * 86_400_000_000
    error = {"kind": "error", "name": "error", "event_type": "error"}
    known, before = {"error_type": "A", "message": "known"}, {"error_type": "B", "message": "before"}
    fill(runtime, [event(**error, fields=known, occurred_at=old), event(**error, fields=before)], jobs=False)
    alert({"kind": "new_error"})
    fill(runtime, [event(**error, fields=known), event(**error, fields=before)], jobs=False)
    evaluate(runtime)
    assert deliver(runtime) == []


def test_a_target_that_is_away_gets_the_same_delivery_later_and_it_says_so(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({"kind": "dead_letters"})
    receiver.status = 503
    die(runtime)
    evaluate(runtime)
    for _ in range(runtime.settings.job_max_attempts):
        make_due(runtime)
        deliver(runtime)
    [firing] = ask("GET", f"/api/alerts/{made['id']}/firings")["firings"]
    [message] = firing["deliveries"]
    assert (message["status"], message["answer"]) == ("failed", "The other side answered 503 thanks")
    assert take(runtime) is None
    with runtime.database.begin() as session:
        assert session.scalar(sa.select(Job.state).where(Job.kind == "notify")) == "FAILED"
        session.execute(sa.update(Job).values(finished_at=clock.now() - delivering.AGAIN_AFTER - timedelta(seconds=1)))
        session.execute(sa.update(Firing).values(at=clock.now() - timedelta(hours=1)))
        session.execute(sa.text("UPDATE breaker SET opened_at = 0"))
    receiver.status = 200
    delivering.try_again(runtime)
    deliver(runtime)
    assert len({headers["X-Quadra-Delivery"] for headers, _ in receiver.got}) == 1
    assert [one["late"] for one in receiver.bodies] == [*[False] * runtime.settings.job_max_attempts, True]
    [firing] = ask("GET", f"/api/alerts/{made['id']}/firings")["firings"]
    assert firing["deliveries"][0]["status"] == "delivered"


def test_a_worker_that_dies_between_sending_and_noting_it_sends_the_same_delivery_again(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert({"kind": "dead_letters"})
    die(runtime)
    evaluate(runtime)

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("quadra.alerts.delivering.rows_hit", killed)
        run = take(runtime)
        assert run is not None
        with pytest.raises(SystemExit):
            run.handler.work(runtime, run.lease)
    with runtime.database.begin() as session:
        assert session.scalar(sa.select(Delivery.status)) == "pending"
        session.execute(sa.update(Job).where(Job.kind == "notify").values(state="PENDING", lease_token=None))
    deliver(runtime)
    ids = [headers["X-Quadra-Delivery"] for headers, _ in receiver.got]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_a_worker_that_dies_while_it_evaluates_has_told_nothing_and_the_next_one_tells_once(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert({"kind": "dead_letters"})
    die(runtime)

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("quadra.alerts.firing.Delivery", killed)
        with pytest.raises(SystemExit):
            evaluate(runtime)
    with runtime.database.read() as session:
        assert session.scalars(sa.select(Firing)).all() == []
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing"]


def test_two_evaluations_at_once_tell_once(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert({"kind": "dead_letters"})
    die(runtime)
    real = evaluating._pending
    asked: list[int] = []

    def another_first(*given: Any) -> dict[str, str]:
        if not asked:  # another worker evaluates between this one's look and its write
            asked.append(1)
            evaluate(runtime)
        return real(*given)

    monkeypatch.setattr("quadra.alerts.evaluating._pending", another_first)
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing"]


def test_what_cannot_be_asked_is_said_at_the_alert_and_resolves_nothing(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({**CHECKOUTS, "op": ">", "value": 3})
    checkouts(runtime, 5)
    evaluate(runtime)
    with runtime.database.begin() as session:
        row = session.get_one(Alert, made["id"])
        row.when = {**row.when, "params": {"segment": "gone"}}
    evaluate(runtime)
    deliver(runtime)
    assert [one["state"] for one in receiver.bodies] == ["firing"]
    [listed] = ask("GET", "/api/alerts")["alerts"]
    assert listed["state"] == "failing"
    assert listed["last_error"]


def test_a_rule_that_breaks_is_said_at_its_alert_and_holds_up_no_other(
    runtime: Runtime, alert: MakeAlert, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert({"kind": "dead_letters", "more_than": 5})
    alert({**CHECKOUTS, "op": ">", "value": 3})
    checkouts(runtime, 5)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dead_letters, "_count", broken)
    evaluate(runtime)
    states = {one["when"]["kind"]: one["state"] for one in ask("GET", "/api/alerts")["alerts"]}
    assert states == {"dead_letters": "failing", "threshold": "firing"}


def test_rules_that_take_long_are_not_taken_by_another_worker_in_between(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert({"kind": "dead_letters", "more_than": 5})
    alert({**CHECKOUTS, "op": ">", "value": 3})
    checkouts(runtime, 5)
    monkeypatch.setattr(evaluating, "KEEP_AFTER_SECONDS", 0.0)
    pending, taken_by_another = evaluating._pending, []

    def slow(*_: object) -> int:
        """So slow that all that this round took is due again."""
        with runtime.database.begin() as session:
            session.execute(sa.update(Alert).values(looked_at=clock.now() - timedelta(minutes=2)))
        return 0

    def watched(row: Alert, *rest: Any) -> dict[str, str]:
        if row.when["kind"] == "threshold":
            taken_by_another.append(len(evaluating._take(runtime, clock.now())))
        return pending(row, *rest)

    monkeypatch.setattr(dead_letters, "_count", slow)
    monkeypatch.setattr(evaluating, "_pending", watched)
    evaluate(runtime)
    deliver(runtime)
    assert taken_by_another == [0]
    assert [body["state"] for body in receiver.bodies] == ["firing"]


def test_many_rules_of_a_project_open_its_events_once_and_read_them_once(
    runtime: Runtime, alert: MakeAlert, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in range(3, 6):
        alert({**CHECKOUTS, "op": ">", "value": value, "params": {"event": "checkout", "where": {"n": str(value)}}})
    alert({**CHECKOUTS, "op": ">", "value": 4})
    alert({"kind": "ai_budget", "usd": 5, "per": "day"})
    alert({"kind": "new_error"})
    checkouts(runtime, 5)
    looks: list[object] = []
    statements: list[object] = []
    opened, query = Warehouse.look, Events.query

    def look(*args: Any, **more: Any) -> Any:
        looks.append(args)
        return opened(*args, **more)

    def asked(*args: Any, **more: Any) -> Any:
        statements.append(args)
        return query(*args, **more)

    monkeypatch.setattr(Warehouse, "look", look)
    monkeypatch.setattr(Events, "query", asked)
    evaluate(runtime)
    assert len(looks) == 1
    assert len(statements) == 3  # the four thresholds, the budget, the errors
    assert [one["state"] for one in ask("GET", "/api/alerts")["alerts"]].count("firing") == 1


def test_deleting_an_alert_takes_back_what_it_has_not_sent(
    runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({"kind": "dead_letters"})
    die(runtime)
    evaluate(runtime)
    ask("DELETE", f"/api/alerts/{made['id']}")
    assert deliver(runtime) == []
    assert receiver.got == []
    assert ask("GET", "/api/alerts") == {"alerts": []}


def die(runtime: Runtime) -> None:
    """A job of the project becomes a dead letter."""
    with runtime.database.begin() as session:
        job = enqueue(session, kind="dies", max_attempts=1, project_id=1)
        job.state = "FAILED"


def insight(analyst: str, evidence: dict[str, Any], batch_id: str = "b1") -> Insight:
    at = clock.now()
    return Insight(
        project_id=1,
        batch_id=batch_id,
        analyst=analyst,
        summary=f"{analyst} said so",
        confidence=0.9,
        evidence=evidence,
        event_count=1,
        window_from=at,
        window_to=at,
        updated_at=at,
    )

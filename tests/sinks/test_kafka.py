"""Kafka, spoken to over TCP by librdkafka with its own mock cluster: order, headers, brokers that go away, workers that die."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from quadra.accounts.projects import create_project
from quadra.core import clock
from quadra.core.ids import uuid7
from quadra.sinks import kafka as kafka_module
from tests.insights.conftest import event, fill, opened
from tests.jobs.processes import WorkerProcess
from tests.servers.keeper import Keeper
from tests.sinks.conftest import Make, do, seal, state
from tests.sinks.kafka_cluster import KafkaCluster, once
from tests.waiting import eventually

AWAY_SECONDS = float(os.environ.get("QUADRA_TEST_KAFKA_AWAY", "3"))


@pytest.fixture
def topic(kafka: KafkaCluster) -> str:
    name = f"events-{uuid7()}"
    kafka.create(name)
    return name


def given(kafka: KafkaCluster, topic: str) -> dict[str, Any]:
    return {"kafka_brokers": kafka.brokers, "kafka_topic": topic}


def test_each_event_is_a_message_of_its_project_with_its_ids(kafka: KafkaCluster, topic: str, make: Make) -> None:
    runtime = make(**given(kafka, topic))
    ids = seal(runtime, "a", "b", "c", properties=msgspec.Raw(orjson.dumps({"n": 1})))
    ended = do(runtime, "kafka")
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    heard = kafka.messages(topic, least=3)
    assert [message.headers["event_id"] for message in heard] == ids
    assert {message.key for message in heard} == {"shop"}
    assert {message.headers["schema"] for message in heard} == {"1"}
    assert len({message.headers["batch_id"] for message in heard}) == 1
    first = heard[0].event
    assert (first["event_id"], first["event_name"], first["properties"]) == (ids[0], "a", {"n": 1})
    assert first["batch_id"] == heard[0].headers["batch_id"]
    shown = state(runtime, "kafka")
    assert (shown.state, shown.delivered_events, shown.pending_batches, shown.lag_seconds) == ("running", 3, 0, 0.0)
    assert do(runtime, "kafka") is None  # delivered is delivered


def test_events_leave_in_the_order_of_their_receipt(kafka: KafkaCluster, topic: str, make: Make) -> None:
    """Two writers fill batches of one project at the same time; ties go by occurrence."""
    runtime = make(**given(kafka, topic))
    at = clock.now_us()
    fill(runtime, [event(name=f"{n}", received_at=at + n, occurred_at=at) for n in (0, 3, 4)], jobs=False)
    fill(runtime, [event(name=f"{n}", received_at=at + n, occurred_at=at) for n in (1, 2, 6)], jobs=False)
    fill(runtime, [event(name=f"{n}", received_at=at + 5, occurred_at=at - n) for n in (51, 52)], jobs=False)
    do(runtime, "kafka")
    assert [message.event["event_name"] for message in kafka.messages(topic, least=8)] == [
        *("0", "1", "2", "3", "4", "52", "51", "6")
    ]


def test_brokers_that_are_away_cost_no_attempt_and_lose_nothing(
    topic: str, kafka: KafkaCluster, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_module, "FLUSH_SECONDS", 0.5)
    runtime = make(**given(kafka, topic), breaker_failures=2, breaker_cooldown="1s")
    sent = seal(runtime, *"abc")
    kafka.down()
    try:
        ended = do(runtime, "kafka")
        assert ended is not None
        assert ended.state == "PENDING"
        failing = state(runtime, "kafka")
        assert (failing.state, failing.pending_batches) == ("failing", 1)
        assert "acknowledged" in (failing.last_error or "")
        sent += seal(runtime, *"def")
        eventually(lambda: do(runtime, "kafka") is not None)
        assert state(runtime, "kafka").breaker != "CLOSED"  # open, or after its second waiting for a trial
        assert state(runtime, "kafka").lag_seconds > 0
    finally:
        kafka.up()
    monkeypatch.setattr(kafka_module, "FLUSH_SECONDS", 15)

    def arrived() -> bool:
        do(
            runtime, "kafka"
        )  # the queue of a sink that fails is filled less often: what was sealed meanwhile comes later
        return once(kafka.messages(topic)) == {"shop": sent}

    eventually(arrived, every=0.5)
    assert state(runtime, "kafka").pending_batches == 0
    assert state(runtime, "kafka").state == "running"


def test_an_event_that_no_broker_takes_is_quarantined_and_the_others_arrive(
    kafka: KafkaCluster, topic: str, make: Make
) -> None:
    runtime = make(**given(kafka, topic), kafka_options="message.max.bytes=2000,compression.type=none")
    good = seal(runtime, "a", "b")
    (bad,) = seal(runtime, "large", properties=msgspec.Raw(orjson.dumps({"text": "x" * 4_000})))
    ended = do(runtime, "kafka")
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    assert once(kafka.messages(topic, least=2)) == {"shop": good}
    shown = state(runtime, "kafka")
    assert (shown.state, shown.quarantined_events, shown.delivered_events) == ("running", 1, 2)
    assert bad not in good


def test_everything_arrives_in_order_though_brokers_go_away_and_workers_are_killed(
    kafka: KafkaCluster, topic: str, keeper: Keeper, tmp_path: Path
) -> None:
    """Brokers are away for a while, and the worker is killed with SIGKILL before, during and after."""
    url = f"sqlite:///{tmp_path / 'quadra.db'}"
    settings = {
        "kafka_brokers": kafka.brokers,
        "kafka_topic": topic,
        "data_dir": str(tmp_path),
        "job_lease": "1s",
        "breaker_cooldown": "1s",
        "backup_schedule": "false",
        "self_observe": "false",
    }
    sent: dict[str, list[str]] = {"shop": [], "other": []}
    enough = threading.Event()
    with opened(url, data_dir=tmp_path) as runtime, ExitStack() as stack:
        with runtime.database.begin() as session:
            create_project(session, name="Other")

        def send() -> None:
            while not enough.wait(0.05):
                for project_id, slug in ((1, "shop"), (2, "other")):
                    at = clock.now_us()
                    rows = [event(project_id=project_id, received_at=at + n) for n in range(20)]
                    fill(runtime, rows, jobs=False)
                    sent[slug] += [row.event_id for row in rows]

        def begin() -> WorkerProcess:
            process = WorkerProcess(keeper, url, tmp_path / "worker.log", "quadra", "worker", **settings)
            stack.callback(process.kill)
            return process

        sender = threading.Thread(target=send)
        sender.start()
        try:
            worker = begin()
            eventually(lambda: len(kafka.messages(topic, seconds=0)) > 100, every=0.3)
            worker.kill()
            worker = begin()
            time.sleep(1.5)
            kafka.down()
            time.sleep(AWAY_SECONDS / 2)
            worker.kill()
            worker = begin()
            time.sleep(AWAY_SECONDS / 2)
        finally:
            kafka.up()
            enough.set()
            sender.join()
        time.sleep(0.5)
        worker.kill()
        begin()
        eventually(lambda: once(kafka.messages(topic)) == sent, every=1)

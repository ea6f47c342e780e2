"""How many events a key may send: counted locally, over a minute that slides, and together with other replicas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import redis

from quadra.ingest.doors.quota import Meter
from tests.clients import connected, event, make_key, send
from tests.servers.keeper import Keeper
from tests.servers.postgres import PostgresServer
from tests.servers.quadra import QuadraProcess
from tests.servers.redis import RedisServer
from tests.waiting import eventually


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 6_000_000.0  # a whole minute

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_meter_is_full_when_the_limit_is_reached_and_says_for_how_long(clock: Clock) -> None:
    meter = Meter(100, clock)
    clock.at += 30
    meter.add(99)
    assert not meter.full
    assert dict(meter.headers()) == {"RateLimit-Limit": "100", "RateLimit-Remaining": "1", "RateLimit-Reset": "30"}
    meter.add(1)
    assert meter.full
    assert meter.error().retry_after_seconds == 31
    clock.at += 31
    meter.advance()
    assert not meter.full


def test_the_minute_slides_so_that_no_edge_lets_twice_as_many_through(clock: Clock) -> None:
    meter = Meter(100, clock)
    clock.at += 59
    meter.add(100)
    clock.at += 2
    meter.advance()
    meter.add(10)
    assert meter.full  # 59/60 of the minute before still count
    seconds = meter.error().retry_after_seconds
    assert 5 <= seconds <= 7
    clock.at += seconds
    meter.advance()
    assert not meter.full


def test_after_two_quiet_minutes_nothing_is_remembered(clock: Clock) -> None:
    meter = Meter(100, clock)
    meter.add(100)
    clock.at += 121
    meter.advance()
    assert meter.idle
    assert meter.used == 0


def test_what_other_replicas_counted_counts_here(clock: Clock) -> None:
    meter = Meter(100, clock)
    meter.add(20)
    meter.hear(meter.minute, 90, sent=20)
    assert (meter.used, meter.full) == (90, False)
    meter.add(5)
    meter.hear(meter.minute, 100, sent=5)
    assert (meter.used, meter.full) == (100, True)


def test_without_a_limit_nothing_is_ever_full(clock: Clock) -> None:
    meter = Meter(0, clock)
    meter.add(10**9)
    assert not meter.full
    assert meter.headers() == []


LIMIT = 200


@pytest.fixture(scope="module")
def replicas(keeper: Keeper, postgres: PostgresServer, redis_server: RedisServer) -> Iterator[list[QuadraProcess]]:
    """Two web processes on one database and one Redis, and no worker."""
    env = {
        "DATABASE_URL": postgres.database(),
        "REDIS_URL": redis_server.database(),
        "QUADRA_RATE_LIMIT_INGEST": str(LIMIT),
        "QUADRA_SELF_OBSERVE": "false",
    }
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(closing(QuadraProcess(keeper, env, command=("serve", "--no-worker")))) for _ in range(2)
        )
        second.init = first.init
        yield [first, second]


def test_a_key_that_sent_too_much_gets_429_and_other_keys_do_not(replicas: list[QuadraProcess]) -> None:
    quadra, _ = replicas
    key = make_key(quadra, "ingest")["key"]
    answer = send(quadra, body={"events": [event() for _ in range(50)]}, key=key)
    assert answer.headers["RateLimit-Limit"] == str(LIMIT)
    assert int(answer.headers["RateLimit-Remaining"]) == LIMIT - 50
    # the request that reaches the limit is stored whole
    assert send(quadra, body={"events": [event() for _ in range(300)]}, key=key).json["stored"] == 300
    answer = send(quadra, body=event(), key=key)
    assert (answer.status, answer.code) == (429, "limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 121
    assert answer.headers["RateLimit-Remaining"] == "0"
    for path, body in (("/v1/track", {"event": "x", "userId": "u"}), ("/capture/", {"event": "x", "distinct_id": "u"})):
        answer = send(quadra, path, body, key=key)
        assert (answer.status, answer.code) == (429, "limited")
        assert answer.headers["Retry-After"]
    assert send(quadra, body=event()).status == 200


def test_the_other_replica_hears_of_it_within_seconds(replicas: list[QuadraProcess]) -> None:
    first, second = replicas
    key = make_key(first, "ingest")["key"]
    assert send(second, body=event(), key=key).status == 200
    send(first, body={"events": [event() for _ in range(LIMIT)]}, key=key)
    eventually(lambda: send(second, body=event(), key=key).status == 429)
    with closing(redis.Redis.from_url(first._extra["REDIS_URL"])) as counted:
        left = [counted.ttl(name) for name in counted.keys("quadra:ingest:*")]
    assert left
    assert all(0 < seconds <= 180 for seconds in left), left  # nothing stays for ever


def test_a_socket_that_sends_too_much_is_told_so_event_by_event(replicas: list[QuadraProcess]) -> None:
    quadra, _ = replicas
    key = make_key(quadra, "ingest")["key"]
    answers: list[dict[str, object]] = []
    with connected(quadra, auth={"key": key}) as client:
        for _ in range(LIMIT + 200):
            client.emit("user:event", event(), callback=answers.append)
        client.wait_for(lambda: len(answers) == LIMIT + 200)
        stored = [answer for answer in answers if "batchId" in answer]
        limited = [answer for answer in answers if answer.get("code") == "limited"]
        assert len(stored) + len(limited) == LIMIT + 200
        assert LIMIT <= len(stored) < LIMIT + 64
        assert all(answer["eventId"] and answer["retryAfter"] and answer["error"] for answer in limited)
        many = client.call("user:events", [event()])
        assert many["code"] == "limited"
        # without an acknowledgement: the event of that name, and again exactly one
        sent = event()
        client.emit("user:event", sent)
        client.wait_for(lambda: client.payloads("event:error"))
        assert [answer["eventId"] for answer in client.payloads("event:error")] == [sent["eventId"]]

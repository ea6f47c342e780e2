"""The bus between processes, on a real Redis that is killed, frozen and failed over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from quadra.core import bus as buses
from quadra.core.bus import NoBus, Outbox, RedisBus, make_bus
from quadra.core.redis import database_number, limits_storage, make_client
from quadra.core.settings import Settings
from tests.servers.redis import RedisServer, SentinelServer, TlsRedisServer
from tests.waiting import eventually


def settings(**given: Any) -> Settings:
    return Settings(**{"database_url": "sqlite://", "redis_url": "", **given})


@contextmanager
def joined(given: Settings, *names: str) -> Iterator[list[tuple[RedisBus, list[Any]]]]:
    """Buses that hear each other, each with a list of what came under the topic `word`; None stands for "lost"."""
    made: list[tuple[RedisBus, list[Any]]] = []
    for name in names:
        bus, heard = RedisBus(given, name), []
        bus.on("word", heard.append)
        bus.on_change(lambda alive, heard=heard: heard.append(None) if not alive else None)
        bus.start()
        made.append((bus, heard))
    try:
        for bus, _ in made:
            eventually(lambda bus=bus: bus.alive and len(bus.peers()) == len(names) - 1)
        yield made
    finally:
        for bus, _ in made:
            bus.stop()


def test_a_message_reaches_the_others_and_not_oneself(redis_server: RedisServer) -> None:
    with joined(settings(redis_url=redis_server.database()), "a", "b", "c") as ((a, own), (b, first), (c, second)):
        a.publish("word", {"n": 1})
        eventually(lambda: first == [{"n": 1}] and second == [{"n": 1}])
        assert own == []
        assert b.peers() == ["a", "c"]
        assert c.age_seconds < buses.SILENT_SECONDS


def test_two_quadras_on_one_redis_do_not_hear_each_other(redis_server: RedisServer) -> None:
    one, other = settings(redis_url=redis_server.database()), settings(redis_url=redis_server.database())
    with joined(one, "a", "b") as ((a, _), (_b, heard)), joined(other, "x") as ((x, foreign),):
        x.publish("word", "foreign")
        a.publish("word", "ours")
        eventually(lambda: heard == ["ours"])
        assert foreign == []


def test_what_is_said_while_redis_is_away_arrives_when_it_is_back(
    start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server: RedisServer = start_server(RedisServer)
    with joined(settings(redis_url=server.url), "a", "b") as ((a, own), (b, heard)):
        server.kill()
        eventually(lambda: not a.alive and not b.alive)
        # what goes out before b is back is lost to b, so a comes back after it
        held, free, take = threading.Event(), threading.Event(), a._outbox.take
        monkeypatch.setattr(a._outbox, "take", lambda seconds: (held.set(), free.wait(90), take(seconds))[-1])
        for number in range(5):
            a.publish("word", number)  # must neither block nor raise
        eventually(held.is_set)
        server.start()
        eventually(lambda: b.alive)
        free.set()
        eventually(lambda: a.alive)
        a.publish("word", "after")
        eventually(lambda: "after" in heard)
        assert heard == [None, 0, 1, 2, 3, 4, "after"], "b was away, and hears of it"
        assert own == [None]
        assert a.dropped == 0


def test_a_redis_that_freezes_without_closing_anything_counts_as_lost(
    start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buses, "SILENT_SECONDS", 1.5)
    monkeypatch.setattr(buses, "ANSWER_SECONDS", 1.0)
    server: RedisServer = start_server(RedisServer)
    with joined(settings(redis_url=server.url), "a") as ((a, _heard),):
        server.pause()
        eventually(lambda: not a.alive)
        assert a.age_seconds > 1
        server.resume()
        eventually(lambda: a.alive)


def test_a_full_outbox_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "OUTBOX_MESSAGES", 3)
    outbox = Outbox()
    for number in range(5):
        outbox.put(b"%d" % number)
    assert outbox.dropped == 2
    taken = outbox.take(0)
    assert taken == [b"0", b"1", b"2"]
    outbox.put_back(taken)
    monkeypatch.setattr(buses, "OUTBOX_MESSAGES", 10)
    monkeypatch.setattr(buses, "OUTBOX_BYTES", 4)
    for message in (b"xx", b"y", b"z"):  # three bytes wait already
        outbox.put(message)
    assert (outbox.dropped, outbox.take(0)) == (4, [*taken, b"y"])


def test_sentinels_lead_to_the_new_master_after_a_failover(start_server: Callable[..., Any]) -> None:
    master = start_server(RedisServer)
    replica = start_server(RedisServer, settings={"replicaof": f"127.0.0.1 {master.port}"})
    sentinel = start_server(SentinelServer, master=master)
    eventually(lambda: sentinel.replicas() == 1)
    given = settings(
        redis_use_sentinel=True, redis_sentinel_hosts=f"127.0.0.1:{sentinel.port}", redis_sentinel_master="quadra"
    )
    with joined(given, "a", "b") as ((a, _), (b, heard)), make_client(given, seconds=30) as client:
        assert client.info()["tcp_port"] == master.port
        master.kill()
        eventually(lambda: sentinel.master_port() == replica.port)
        eventually(lambda: a.alive and b.alive and None in heard)
        a.publish("word", "new master")
        eventually(lambda: "new master" in heard)
        assert client.info()["tcp_port"] == replica.port


def test_tls_demands_a_certificate_that_the_named_authority_signed(start_server: Callable[..., Any]) -> None:
    server: TlsRedisServer = start_server(TlsRedisServer)
    with joined(settings(redis_url=server.url, redis_ssl_ca=server.ca_file), "a", "b") as ((a, _), (_b, heard)):
        a.publish("word", "secret")
        eventually(lambda: heard == ["secret"])
    parts = settings(redis_host="localhost", redis_port=server.port, redis_ssl=True, redis_ssl_ca=server.ca_file)
    with make_client(parts, seconds=30) as client:
        assert client.ping()
    stranger = RedisBus(settings(redis_url=server.url), "stranger")
    stranger.start()
    time.sleep(1)
    assert not stranger.alive
    stranger.stop()


def test_limits_are_counted_where_the_settings_say(redis_server: RedisServer) -> None:
    assert limits_storage(settings()) == ("memory://", {})
    uri, options = limits_storage(settings(redis_url=redis_server.database(), redis_max_connections=7))
    assert uri == "redis://"
    assert options["connection_pool"].max_connections == 7


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({"redis_url": "redis://h"}, 0),
        ({"redis_url": "redis://h:1/7"}, 7),
        ({"redis_url": "rediss://u:p@h/2?db=3"}, 3),
        ({"redis_url": "unix:///run/redis.sock?db=4"}, 4),
        ({"redis_host": "h", "redis_db": 5}, 5),
        ({"redis_use_sentinel": True, "redis_sentinel_hosts": "h", "redis_db": 6}, 6),
    ],
)
def test_the_number_of_the_database_is_part_of_the_channel(given: dict[str, Any], number: int) -> None:
    assert database_number(settings(**given)) == number


def test_without_redis_there_is_nobody_to_talk_to() -> None:
    bus = make_bus(settings(), "alone")
    bus.start()
    bus.publish("word", 1)
    assert type(bus) is NoBus
    assert bus.peers() == []

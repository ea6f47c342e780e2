"""Refusals are limited by address, and no key is: who may send is never locked out by who may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any

import pytest

from quadra.core.errors import Limited
from quadra.core.settings import Settings
from quadra.ingest.doors.refusals import MOST_ADDRESSES, Refusals
from tests.clients import event, send
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

LIMIT = 20
ADDRESSES = count(1)


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    env = {"QUADRA_RATE_LIMIT_REFUSED": str(LIMIT), "QUADRA_TRUSTED_PROXIES": "127.0.0.1"}
    with closing(QuadraProcess(keeper, env, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.mark.parametrize(
    ("path", "key", "body"),
    [
        ("/api/events", "qk_wrong", event()),
        ("/api/events", None, b"[" + b"1," * 20_000 + b"1]"),
        ("/api/events", None, b"not JSON"),
        ("/v1/batch", None, {"batch": [], "writeKey": "qk_wrong"}),
        ("/batch/", None, {"batch": [], "api_key": "qk_wrong"}),
        ("/api/analytics/user/events/track", None, b"{"),
    ],
)
def test_a_stranger_is_refused_so_often_and_then_told_to_wait_while_a_key_goes_on(
    quadra: QuadraProcess, path: str, key: str | None, body: Any
) -> None:
    address = f"203.0.113.{next(ADDRESSES)}"
    found = [send(quadra, path, body, key=key, X_Forwarded_For=address).status for _ in range(LIMIT + 5)]
    assert 429 not in found[: LIMIT - 1]
    if found[-1] != 429:  # the minute turned meanwhile
        found = [send(quadra, path, body, key=key, X_Forwarded_For=address).status for _ in range(LIMIT + 5)]
    assert found[-1] == 429
    last = send(quadra, path, body, key=key, X_Forwarded_For=address)
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert send(quadra, body=event(), X_Forwarded_For=address).status == 200
    assert send(quadra, path, body, key=key, X_Forwarded_For="203.0.113.254").status in (400, 401)


def test_a_refusal_of_a_known_key_counts_for_the_key(keeper: Keeper) -> None:
    env = {"QUADRA_RATE_LIMIT_INGEST": "1000"}
    with closing(QuadraProcess(keeper, env, command=("serve", "--no-worker"))) as quadra:
        answers = [send(quadra, body=b"[" + b"1," * 200_000) for _ in range(12)]
        assert [answer.status for answer in answers[:1]] == [400]
        assert send(quadra, body=event()).status == 429


def test_the_count_ends_with_the_minute_and_holds_so_many_addresses_and_no_more() -> None:
    now = [60.0]
    refusals = Refusals(Settings(rate_limit_refused=2), clock=lambda: now[0])
    for number in range(MOST_ADDRESSES + 10):
        refusals.count({"REMOTE_ADDR": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"})
    assert len(refusals._counts) == MOST_ADDRESSES
    stranger = {"REMOTE_ADDR": "10.0.0.1"}
    refusals.count(stranger)
    with pytest.raises(Limited) as caught:
        refusals.count(stranger)
    assert caught.value.retry_after_seconds == 60
    now[0] = 120.0
    refusals.count(stranger)

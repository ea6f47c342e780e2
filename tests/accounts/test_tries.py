"""One account that is tried from many addresses: its tries get slow, and its owner still gets in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import tries
from quadra.accounts.tables import User
from quadra.core.web.limits import count_in, limiter
from tests.accounts.conftest import PASSWORD

WRONG = "wrong horse battery"
HOME = "198.51.100.7"


def attempt(client: FlaskClient, address: str, password: str = WRONG, email: str = "ada@example.com") -> Any:
    return client.post(
        "/api/auth/login", json={"email": email, "password": password}, environ_base={"REMOTE_ADDR": address}
    )


def attack(app: Flask, addresses: int = 12, each: int = 5) -> list[int]:
    """Tries from 12 addresses, as fast as they come."""
    client = app.test_client()
    return [attempt(client, f"192.0.2.{one}").status_code for _ in range(each) for one in range(addresses)]


@pytest.fixture(params=["memory", "redis"])
def app(
    request: pytest.FixtureRequest, make_app: Callable[..., Flask], make_user: Callable[..., User]
) -> Iterator[Flask]:
    make_user()
    url = request.getfixturevalue("redis_server").database() if request.param == "redis" else ""
    yield make_app(redis_url=url)
    limiter.reset()


def test_many_addresses_together_get_few_tries_that_become_slow(app: Flask) -> None:
    answers = attack(app, each=4)  # an address has five a minute: what holds back here is the account
    # ten that are free, the first one of the other addresses, and one now and then after a delay that doubles
    assert 12 <= answers.count(401) <= 16
    assert answers.count(429) == 48 - answers.count(401)
    refused = attempt(app.test_client(), "192.0.2.1")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= tries.LONGEST_WAIT
    assert attempt(app.test_client(), "192.0.2.2", PASSWORD).status_code == 429  # the right one learns nothing, either


def test_a_thousand_addresses_are_held_as_well(app: Flask) -> None:
    client = app.test_client()
    answers = [attempt(client, f"203.0.113.{one}").status_code for one in range(tries.CROWD + 20)]
    assert answers[: tries.CROWD] == [401] * tries.CROWD
    assert answers[tries.CROWD :].count(401) <= 3


def test_other_accounts_are_not_held(app: Flask) -> None:
    attack(app)
    assert attempt(app.test_client(), "192.0.2.1", email="eve@example.com").status_code == 401


def test_the_owner_comes_in_with_the_browser_and_from_the_address_of_before_and_once_from_anywhere(app: Flask) -> None:
    browser = app.test_client()
    assert attempt(browser, HOME, PASSWORD).status_code == 200
    attack(app)
    assert attempt(browser, "192.0.2.1", PASSWORD).status_code == 200  # even at an address that attacks
    other = app.test_client()
    assert [attempt(other, HOME).status_code for _ in range(2)] == [401, 401]  # mistyped: not held for that
    assert attempt(other, HOME, PASSWORD).status_code == 200
    assert attempt(app.test_client(), "203.0.113.200", PASSWORD).status_code == 200


def test_a_browser_that_knows_the_account_has_few_tries_too_whatever_its_address(app: Flask) -> None:
    browser = app.test_client()
    assert attempt(browser, HOME, PASSWORD).status_code == 200
    assert [attempt(browser, f"192.0.2.{one}").status_code for one in range(6)] == [401] * 5 + [429]


def test_the_cookie_of_a_browser_is_good_for_its_account_alone_and_only_as_signed(
    app: Flask, make_user: Callable[..., User]
) -> None:
    make_user("eve@example.com")
    browser = app.test_client()
    assert attempt(browser, HOME, PASSWORD, "eve@example.com").status_code == 200
    attack(app)
    assert attempt(browser, "192.0.2.1", PASSWORD).status_code == 429
    browser.set_cookie("quadra_device", "WyJhIiwiYiJd.nonsense.nonsense")
    assert attempt(browser, "192.0.2.1", PASSWORD).status_code == 429


def test_a_delay_is_over_after_the_seconds_that_were_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    attack(app)
    refused = attempt(app.test_client(), "192.0.2.1")
    wait = int(refused.headers["Retry-After"])
    later = time.time() + max(wait, 61)  # the address has its own few tries a minute
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: later)
    monkeypatch.setattr("limits.storage.redis.time.time", lambda: later)
    assert attempt(app.test_client(), "192.0.2.1", PASSWORD).status_code == 200


def test_however_many_tries_there_were_nobody_waits_longer_than_a_minute(app: Flask) -> None:
    account = tries.account_of("ada@example.com")
    runtime, history = app.extensions["quadra"], f"login/history/{account}"
    for _ in range(tries.CROWD * 2):
        count_in(runtime, lambda storage: storage.acquire_entry(history, tries.REMEMBERED, tries.HOUR))
    client = app.test_client()
    first, second = (attempt(client, f"203.0.113.{one}") for one in range(2))
    assert (first.status_code, second.status_code) == (401, 429)
    assert tries.LONGEST_WAIT - 5 <= int(second.headers["Retry-After"]) <= tries.LONGEST_WAIT


def test_changing_a_password_is_not_held(app: Flask) -> None:
    client = app.test_client()
    token = attempt(client, HOME, PASSWORD).json["csrf_token"]
    client.delete_cookie("quadra_device")
    attack(app)
    body = {"current_password": PASSWORD, "new_password": "seven otters in a row"}
    answer = client.post(
        "/api/auth/password",
        json=body,
        headers={"X-CSRF-Token": token},
        environ_base={"REMOTE_ADDR": "203.0.113.250"},
    )
    assert answer.status_code == 200


def test_without_limits_nothing_is_held(make_app: Callable[..., Flask], make_user: Callable[..., User]) -> None:
    make_user()
    assert attack(make_app(rate_limit_enabled=False)) == [401] * 60

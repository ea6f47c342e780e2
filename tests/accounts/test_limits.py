"""How often one may try a password, and whose tries they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from quadra.accounts.tables import User
from quadra.core.errors import Limited
from quadra.core.web.limits import EXEMPT, client_address, client_network, count_again, counted_in, limiter, take
from tests.accounts.conftest import PASSWORD, bearer
from tests.servers.redis import RedisServer

WRONG = "wrong horse battery"


def attempt(client: FlaskClient, email: str = "ada@example.com", password: str = WRONG, **options: Any) -> int:
    return client.post("/api/auth/login", json={"email": email, "password": password}, **options).status_code


def test_the_sixth_try_in_a_minute_is_told_when_to_come_back(
    client: FlaskClient, make_user: Callable[..., User]
) -> None:
    make_user()
    tries = [client.post("/api/auth/login", json={"email": "ada@example.com", "password": WRONG}) for _ in range(6)]
    assert [answer.status_code for answer in tries] == [401] * 5 + [429]
    assert [answer.headers["RateLimit-Remaining"] for answer in tries] == ["4", "3", "2", "1", "0", "0"]
    assert "Retry-After" not in tries[4].headers
    refused = tries[5]
    assert refused.json["error"]["code"] == "limited"
    assert refused.headers["RateLimit-Limit"] == "5"
    assert 50 <= int(refused.headers["Retry-After"]) <= 61
    assert abs(int(refused.headers["RateLimit-Reset"]) - int(refused.headers["Retry-After"])) <= 1
    assert attempt(client, password=PASSWORD) == 429


def test_tries_that_succeed_count_as_well(client: FlaskClient, make_user: Callable[..., User]) -> None:
    make_user()
    strangers = [client.application.test_client() for _ in range(6)]  # without the cookie that the first login leaves
    assert [attempt(one, password=PASSWORD) for one in strangers] == [200] * 5 + [429]


def test_the_page_and_the_api_count_together(client: FlaskClient, make_user: Callable[..., User]) -> None:
    make_user()
    for _ in range(5):
        attempt(client)
    client.get("/login")
    with client.session_transaction() as session:
        token = session["csrf_token"]
    form = {"email": "ada@example.com", "password": PASSWORD, "csrf_token": token}
    page = client.post("/login", data=form)
    assert (page.status_code, page.mimetype) == (429, "text/html")
    assert "try again in" in page.text
    assert int(page.headers["Retry-After"]) > 0


@pytest.mark.parametrize("spelling", ["ADA@example.com", " ada@example.com ", "\uff41da@example.com"])
def test_another_spelling_of_the_account_is_no_new_account(
    client: FlaskClient, make_user: Callable[..., User], spelling: str
) -> None:
    make_user()
    for _ in range(5):
        attempt(client)
    assert attempt(client, spelling) == 429


def test_an_invented_forwarding_address_is_no_new_address(client: FlaskClient, make_user: Callable[..., User]) -> None:
    make_user()
    tries = [attempt(client, headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(6)]
    assert tries == [401] * 5 + [429]


def test_other_accounts_and_other_addresses_have_tries_of_their_own(
    client: FlaskClient, make_user: Callable[..., User]
) -> None:
    make_user()
    for _ in range(6):
        attempt(client)
    assert attempt(client, "eve@example.com") == 401
    assert attempt(client, environ_base={"REMOTE_ADDR": "192.0.2.1"}) == 401


def test_limits_may_be_set_and_switched_off(make_app: Callable[..., Flask], make_user: Callable[..., User]) -> None:
    make_user()
    client = make_app(rate_limit_login=2).test_client()
    assert [attempt(client) for _ in range(3)] == [401, 401, 429]
    client = make_app(rate_limit_enabled=False).test_client()
    assert [attempt(client) for _ in range(7)] == [401] * 7


def test_bodies_that_are_not_json_do_not_loosen_the_limit(client: FlaskClient, make_user: Callable[..., User]) -> None:
    make_user()
    for _ in range(5):
        attempt(client)
    assert client.post("/api/auth/login", data="{").status_code == 400
    assert client.post("/api/auth/login", json={"email": None}).status_code == 400
    assert attempt(client) == 429


def test_two_processes_count_together_in_redis(
    make_app: Callable[..., Flask], make_user: Callable[..., User], redis_server: RedisServer
) -> None:
    make_user()
    client = make_app(redis_url=redis_server.url).test_client()
    assert [attempt(client) for _ in range(3)] == [401] * 3
    client = make_app(redis_url=redis_server.url).test_client()  # a new limiter over the same Redis, as a replica has
    assert [attempt(client) for _ in range(3)] == [401, 401, 429]


def test_without_its_redis_a_process_counts_in_memory(
    make_app: Callable[..., Flask], make_user: Callable[..., User]
) -> None:
    make_user()
    client = make_app(redis_url="redis://127.0.0.1:1").test_client()
    assert [attempt(client) for _ in range(6)] == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "192.0.2.1", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "192.0.2.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
    ],
)
def test_the_address_is_the_first_one_from_the_right_that_is_no_proxy_of_ours(
    make_app: Callable[..., Flask],
    trusting: Callable[[dict[str, Any]], dict[str, Any]],
    peer: str,
    forwarded: str,
    address: str,
) -> None:
    app = make_app(**trusting({"trusted_proxies": "10.0.0.0/8"}))
    with app.test_request_context(headers={"X-Forwarded-For": forwarded}, environ_base={"REMOTE_ADDR": peer}):
        assert client_address() == address


def test_a_whole_ipv6_household_counts_as_one_address(app: Flask, make_user: Callable[..., User]) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": "2001:db8::1:2:3:4"}):
        assert client_network() == "2001:db8::/56"
    make_user()
    client = app.test_client()
    of_one = [f"2001:db8:0:ff{number:02x}::1" for number in range(6)]
    assert [attempt(client, environ_base={"REMOTE_ADDR": address}) for address in of_one] == [401] * 5 + [429]
    assert attempt(client, environ_base={"REMOTE_ADDR": "2001:db8:1::1"}) == 401


def test_a_path_on_the_event_loop_never_waits_for_redis(
    make_app: Callable[..., Flask], make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user()
    app = make_app(redis_url="redis://127.0.0.1:1")
    app.add_url_rule("/event", "event", dict)
    app.config[EXEMPT] = lambda: request.path == "/event"
    attempt(app.test_client())  # from now on the limiter knows that Redis is away, and looks for it now and then
    looked = []
    monkeypatch.setattr(limiter, "_Limiter__last_check_backend", 0)
    monkeypatch.setattr(limiter.storage, "check", lambda: looked.append(request.path))
    assert app.test_client().get("/event").status_code == 200
    assert looked == []
    app.test_client().get("/login")
    assert looked == ["/login"]


# What everybody may ask, beside passwords


def read(client: FlaskClient, path: str = "/api/projects", **options: Any) -> int:
    return client.get(path, **options).status_code


def test_strangers_are_limited_by_the_hour_whatever_they_write_into_forwarding_headers(client: FlaskClient) -> None:
    answers = [client.get("/api/projects", headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(200)]
    assert [answer.status_code for answer in answers] == [401] * 50 + [429] * 150
    last = answers[-1]
    assert last.json["error"]["code"] == "limited"
    assert "With a key" in last.json["error"]["message"]
    assert last.headers["RateLimit-Limit"] == "50"
    assert int(last.headers["Retry-After"]) > 3000


def test_addresses_that_no_route_is_for_count_like_any_other_door(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit_strangers_hour=4, rate_limit_open=3).test_client()
    assert [read(client, f"/api/nothing/{number}") for number in range(3)] == [404] * 3
    assert [client.put("/api/auth/login").status_code for _ in range(2)] == [
        405
    ] * 2  # open to strangers: not counted there
    assert [read(client, "/api/projects"), read(client, "/api/nothing"), read(client)] == [401, 429, 429]
    assert [read(client, f"/wp-admin/{number}.php") for number in range(3)] == [404, 429, 429]


def test_an_unknown_address_counts_for_the_key_that_asks(
    make_app: Callable[..., Flask], key_of: Callable[..., str]
) -> None:
    client = make_app(rate_limit_reads=3).test_client()
    key = bearer(key_of("default", "read"))
    assert [read(client, f"/api/nothing/{number}", headers=key) for number in range(4)] == [404] * 3 + [429]
    assert read(client, headers=key) == 429


def test_preflights_are_counted_for_nobody(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit_strangers_hour=1).test_client()
    assert 429 not in [client.options("/api/projects").status_code for _ in range(3)]
    assert read(client) == 401


def test_strangers_are_limited_by_the_day_too(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit_strangers_day=3).test_client()
    answers = [client.get("/api/projects") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 80_000


def test_behind_a_trusted_proxy_each_address_has_its_own_limit(
    make_app: Callable[..., Flask], trusting: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    changes = trusting({"trusted_proxies": "10.0.0.0/8"}) | {"rate_limit_strangers_hour": 2}
    client = make_app(**changes).test_client()

    def come(address: str) -> int:
        return read(client, environ_base={"REMOTE_ADDR": "10.0.0.1"}, headers={"X-Forwarded-For": address})

    assert [come("192.0.2.1") for _ in range(3)] == [401, 401, 429]
    assert come("192.0.2.2") == 401


def test_wrong_keys_count_and_lock_out_nobody_who_has_a_right_one(
    client: FlaskClient, key_of: Callable[..., str], make_user: Callable[..., User], log_in: Callable[..., Any]
) -> None:
    make_user()
    log_in()
    good, wrong = bearer(key_of("default", "read")), bearer("qk_wrong")
    stranger = client.application.test_client()
    assert [read(stranger, headers=wrong) for _ in range(60)] == [401] * 50 + [429] * 10
    assert read(stranger, headers=good) == 200
    assert read(client) == 200  # a session from the same address
    assert read(stranger, "/login") == 200  # and one may still log in


def test_a_key_has_a_limit_of_its_own_and_says_what_is_left(
    make_app: Callable[..., Flask], key_of: Callable[..., str]
) -> None:
    client = make_app(rate_limit_reads=3).test_client()
    one, other = bearer(key_of("default", "read")), bearer(key_of("default", "read"))
    answers = [client.get("/api/projects", headers=one) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61
    assert "With a key" not in answers[-1].json["error"]["message"]
    # another address is no way around it, and another key is not affected
    assert read(client, headers=one, environ_base={"REMOTE_ADDR": "192.0.2.7"}) == 429
    assert read(client, headers=other) == 200


def test_a_write_key_counts_as_a_stranger(make_app: Callable[..., Flask], key_of: Callable[..., str]) -> None:
    """It stands in pages for everybody to read: it gives nobody more questions than they have without."""
    client = make_app(rate_limit_strangers_hour=2).test_client()
    one, other = bearer(key_of("default", "ingest")), bearer(key_of("default", "ingest"))
    assert [read(client, headers=one), read(client, headers=other), read(client, headers=one)] == [403, 403, 429]
    assert read(client) == 429
    assert read(client, headers=bearer(key_of("default", "read"))) == 200


def test_without_redis_what_is_counted_for_a_socket_is_limited_in_memory(make_app: Callable[..., Flask]) -> None:
    for url in ("", "redis://127.0.0.1:1"):
        runtime = make_app(redis_url=url).extensions["quadra"]
        take(runtime, "1/minute", f"read:socket {url}")
        with pytest.raises(Limited):
            take(runtime, "1/minute", f"read:socket {url}")
        take(runtime, "1/minute", f"read:another socket {url}")


def test_a_session_has_a_limit_of_its_own(make_app: Callable[..., Flask], make_user: Callable[..., User]) -> None:
    make_user()
    client = make_app(rate_limit_reads=2).test_client()
    assert attempt(client, password=PASSWORD) == 200
    assert [read(client) for _ in range(3)] == [200, 200, 429]


def test_a_missing_csrf_token_does_not_make_a_stranger_of_a_user(
    make_app: Callable[..., Flask], make_user: Callable[..., User]
) -> None:
    make_user(role="admin")
    client = make_app(rate_limit_strangers_hour=1, rate_limit_reads=3).test_client()
    assert attempt(client, password=PASSWORD) == 200
    assert [client.post("/api/projects", json={}).status_code for _ in range(4)] == [403, 403, 403, 429]


def test_pages_and_logins_of_strangers_have_a_wider_limit(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit_open=4, rate_limit_strangers_hour=1).test_client()
    assert [read(client, path) for path in ("/login", "/api/docs", "/login", "/login")] == [200, 404, 200, 200]
    assert read(client, "/login") == 429
    assert read(client) == 401  # the interface is counted apart


def test_training_has_the_limit_of_the_contract(make_app: Callable[..., Flask], key_of: Callable[..., str]) -> None:
    app = make_app()
    app.add_url_rule("/api/train", "train", dict, methods=["POST"])
    client, key = app.test_client(), bearer(key_of("default", "admin"))
    assert [client.post("/api/train", headers=key).status_code for _ in range(11)] == [200] * 10 + [429]
    assert read(client, headers=key) == 200


@pytest.mark.parametrize(
    "path", ["/health", "/health/ready", "/health/startup", "/metrics", "/q.js", "/assets/static.css"]
)
def test_probes_scrapers_the_tracker_and_static_files_are_never_limited(
    make_app: Callable[..., Flask], path: str
) -> None:
    app = make_app(rate_limit_open=1, rate_limit_strangers_hour=1)
    app.add_url_rule(path, "pages.static" if "static" in path else "there", dict)
    client = app.test_client()
    assert [read(client, path) for _ in range(5)] == [200] * 5


def test_without_its_redis_strangers_are_counted_in_memory(make_app: Callable[..., Flask]) -> None:
    client = make_app(redis_url="redis://127.0.0.1:1").test_client()
    assert [read(client) for _ in range(51)] == [401] * 50 + [429]
    assert counted_in() == "memory"


def test_what_is_counted_for_a_socket_counts_with_the_requests(
    make_app: Callable[..., Flask], key_of: Callable[..., str], redis_server: RedisServer
) -> None:
    client = make_app(rate_limit_reads=3, redis_url=redis_server.database()).test_client()
    key = bearer(key_of("default", "read"))
    name = f"key:{client.get('/api/auth/me', headers=key).json['key']['id']}"
    take(client.application.extensions["quadra"], "3/minute", f"read:{name}")
    assert read(client, headers=key) == 200
    with pytest.raises(Limited):
        take(client.application.extensions["quadra"], "3/minute", f"read:{name}")


def test_a_request_that_asks_for_several_things_counts_as_so_many(
    make_app: Callable[..., Flask], key_of: Callable[..., str]
) -> None:
    app = make_app(rate_limit_reads=3)

    def several() -> dict[str, int]:
        count_again()
        return {}

    app.add_url_rule("/api/several", "several", several)
    client, key = app.test_client(), bearer(key_of("default", "read"))
    assert [read(client, "/api/several", headers=key) for _ in range(2)] == [200, 429]

"""Sessions: whose cookie opens something, from where it may come, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner

from quadra.accounts import sessions
from quadra.accounts.access import admit, credentials
from quadra.accounts.tables import User
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Unauthorised
from tests.accounts.conftest import PASSWORD


@pytest.fixture
def member(client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]) -> FlaskClient:
    make_user()
    log_in()
    return client


def asks(client: FlaskClient) -> int:
    return client.get("/api/projects").status_code


def pass_days(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Move the clock by which sessions are counted; that of the signature stands."""
    later = datetime.now(UTC) + timedelta(days=days)
    monkeypatch.setattr(clock, "now", lambda: later)


def test_a_forged_cookie_is_a_stranger(client: FlaskClient, make_user: Callable[..., User]) -> None:
    user = make_user(role="admin")
    forger = Flask("forger")
    forger.secret_key = "guessed"
    cookie = sessions._Cookies().get_signing_serializer(forger)
    assert cookie is not None
    now = int(clock.now().timestamp())
    client.set_cookie("quadra_session", str(cookie.dumps({"_user_id": f"{user.id}.0", "began": now, "seen": now})))
    assert asks(client) == 401


def test_a_cookie_that_was_signed_31_days_ago_is_a_stranger(
    client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user()
    signed = TimestampSigner.get_timestamp
    for days, status in ((29, 200), (31, 401)):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self, days=days: signed(self) - days * 86_400)
        log_in()
        monkeypatch.setattr(TimestampSigner, "get_timestamp", signed)
        assert asks(client) == status


def test_a_session_ends_30_days_after_its_login_however_often_its_cookie_is_signed_again(
    member: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(6, 30, 6):  # in use, so that the cookie is signed anew each time
        pass_days(monkeypatch, day)
        assert asks(member) == 200
    pass_days(monkeypatch, 29.9)
    assert asks(member) == 200
    pass_days(monkeypatch, 30.1)
    assert asks(member) == 401


def test_a_session_that_nobody_used_for_a_week_ends(member: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pass_days(monkeypatch, 6.9)
    assert asks(member) == 200
    pass_days(monkeypatch, 13.8)
    assert asks(member) == 200
    pass_days(monkeypatch, 20.9)
    assert asks(member) == 401


def test_how_long_a_session_may_be_idle_is_a_setting(
    make_app: Callable[..., Flask], make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user()
    client = make_app(session_idle=timedelta(minutes=10)).test_client()
    assert client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD}).status_code == 200
    for minutes in (9, 18):
        pass_days(monkeypatch, minutes / 1440)
        assert asks(client) == 200
    pass_days(monkeypatch, 29 / 1440)
    assert asks(client) == 401


def test_a_session_in_use_writes_its_cookie_once_an_hour_and_not_with_each_answer(
    member: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Set-Cookie" not in member.get("/api/projects").headers
    pass_days(monkeypatch, 1.5 / 24)
    assert "quadra_session=" in member.get("/api/projects").headers["Set-Cookie"]
    assert "Set-Cookie" not in member.get("/api/projects").headers


def test_a_cookie_of_an_earlier_version_is_a_stranger(member: FlaskClient) -> None:
    with member.session_transaction() as session:
        del session["seen"]
    assert asks(member) == 401


def test_an_open_socket_ends_with_its_session(
    app: Flask, member: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = member.get_cookie("quadra_session")
    assert cookie is not None
    with app.test_request_context(headers={"Cookie": f"quadra_session={cookie.value}"}):
        shown = credentials()
    assert admit(database, shown).role == "viewer"
    pass_days(monkeypatch, 8)
    with pytest.raises(Unauthorised):
        admit(database, shown)


def test_two_sessions_that_log_out_one_after_the_other_stay_ended_both(
    app: Flask, make_user: Callable[..., User]
) -> None:
    make_user()
    kept = []
    clients = [app.test_client() for _ in range(2)]
    for client in clients:
        assert (
            client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD}).status_code == 200
        )
        cookie = client.get_cookie("quadra_session")
        assert cookie is not None
        kept.append(cookie.value)
    for client in clients:
        token = client.get("/api/auth/me").json["csrf_token"]
        assert client.post("/api/auth/logout", headers={"X-CSRF-Token": token}).status_code == 200
    for value in kept:  # as somebody who copied it before
        thief = app.test_client()
        thief.set_cookie("quadra_session", value)
        assert asks(thief) == 401


TLS = {"X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("changes", "peer", "headers", "secure"),
    [
        ({}, "127.0.0.1", {}, False),
        ({"public_url": "https://quadra.example.com"}, "127.0.0.1", {}, True),
        ({}, "127.0.0.1", TLS, False),
        ({"trusted_proxies": "10.0.0.0/8"}, "10.0.0.1", TLS, True),
        ({"trusted_proxies": "10.0.0.0/8"}, "10.0.0.1", {"X-Forwarded-Proto": "http"}, False),
    ],
)
def test_cookies_are_out_of_reach_of_scripts_and_other_sites_and_tied_to_the_host_over_https(
    make_app: Callable[..., Flask],
    make_user: Callable[..., User],
    trusting: Callable[[dict[str, Any]], dict[str, Any]],
    changes: dict[str, Any],
    peer: str,
    headers: dict[str, str],
    secure: bool,
) -> None:
    user = make_user()
    client = make_app(**trusting(changes)).test_client()
    body = {"email": user.email, "password": PASSWORD}
    answer = client.post("/api/auth/login", json=body, headers=headers, environ_base={"REMOTE_ADDR": peer})
    cookies = sorted(answer.headers.getlist("Set-Cookie"))
    names = ["quadra_device", "quadra_session"]
    assert [cookie.partition("=")[0] for cookie in cookies] == [f"__Host-{name}" if secure else name for name in names]
    for cookie in cookies:
        said = cookie.split("; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(said)
        assert "Expires=" in cookie
        assert "Domain" not in cookie
        assert ("Secure" in said) is secure


def test_over_https_a_cookie_without_the_prefix_opens_nothing(
    make_app: Callable[..., Flask], make_user: Callable[..., User]
) -> None:
    """Another host of the domain, or whoever answers by http, may plant one of that name."""
    make_user()
    app = make_app(public_url="https://quadra.example.com")
    client = app.test_client()
    at = {"base_url": "https://localhost"}
    assert (
        client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD}, **at).status_code == 200
    )
    assert client.get("/api/projects", **at).status_code == 200
    cookie = client.get_cookie("__Host-quadra_session")
    assert cookie is not None
    other = app.test_client()
    other.set_cookie("quadra_session", cookie.value)
    assert other.get("/api/projects", **at).status_code == 401

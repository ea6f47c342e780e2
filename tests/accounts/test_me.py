"""What people change of their own account, and the audit log that tells admins of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts.setup import Initialised
from quadra.accounts.tables import User
from tests.accounts.conftest import PASSWORD, bearer

ADA = {"email": "ada@example.com", "password": PASSWORD}


def sessions_of(client: FlaskClient) -> list[tuple[str, bool]]:
    return [(one["agent"], one["current"]) for one in client.get("/api/auth/sessions").json["sessions"]]


@pytest.fixture
def two(app: Flask, make_user: Callable[..., User]) -> list[tuple[FlaskClient, dict[str, str]]]:
    """Ada in two browsers, each with its token."""
    make_user()
    found = []
    for agent in ("Laptop", "Phone"):
        client = app.test_client()
        entered = client.post("/api/auth/login", json=ADA, headers={"User-Agent": agent})
        found.append((client, {"X-CSRF-Token": entered.json["csrf_token"]}))
    return found


def test_a_user_ends_another_session_and_not_somebody_elses(
    two: list[tuple[FlaskClient, dict[str, str]]], app: Flask, make_user: Callable[..., User]
) -> None:
    (laptop, token), (phone, _) = two
    assert sorted(sessions_of(laptop)) == [("Laptop", True), ("Phone", False)]
    other = next(one for one in laptop.get("/api/auth/sessions").json["sessions"] if not one["current"])
    path = f"/api/auth/sessions/{other['id']}"

    make_user("bob@example.com")
    bob = app.test_client()
    entered = bob.post("/api/auth/login", json={**ADA, "email": "bob@example.com"})
    assert bob.delete(path, headers={"X-CSRF-Token": entered.json["csrf_token"]}).status_code == 404
    assert laptop.delete(path).status_code == 403, "without its token"
    assert phone.get("/api/auth/me").status_code == 200

    assert laptop.delete(path, headers=token).status_code == 200
    assert phone.get("/api/auth/me").status_code == 401
    assert sessions_of(laptop) == [("Laptop", True)]
    assert laptop.delete(path, headers=token).status_code == 404


def test_all_other_sessions_end_at_once(two: list[tuple[FlaskClient, dict[str, str]]]) -> None:
    (laptop, token), (phone, _) = two
    answer = laptop.delete("/api/auth/sessions", headers=token)
    assert answer.status_code == 200
    assert phone.get("/api/auth/me").status_code == 401
    assert [current for _, current in sessions_of(laptop)] == [True]
    assert laptop.post("/api/auth/me", json={"name": "A"}, headers=token).status_code == 403, "the token is a new one"
    fresh = {"X-CSRF-Token": answer.json["csrf_token"]}
    assert laptop.post("/api/auth/me", json={"name": "A"}, headers=fresh).status_code == 200


def test_a_new_password_leaves_one_session_in_the_list(two: list[tuple[FlaskClient, dict[str, str]]]) -> None:
    (laptop, token), _ = two
    body = {"current_password": PASSWORD, "new_password": "a better battery"}
    assert laptop.post("/api/auth/password", json=body, headers=token).status_code == 200
    assert [current for _, current in sessions_of(laptop)] == [True]


def test_a_user_changes_the_own_name(two: list[tuple[FlaskClient, dict[str, str]]]) -> None:
    (laptop, token), _ = two
    assert laptop.post("/api/auth/me", json={"name": " Ada L. "}, headers=token).json["user"]["name"] == "Ada L."
    wrong = laptop.post("/api/auth/me", json={"name": "a\nb"}, headers=token)
    assert (wrong.status_code, list(wrong.json["error"]["fields"])) == (400, ["name"])


def test_the_audit_log_is_read_by_admins_page_by_page(
    two: list[tuple[FlaskClient, dict[str, str]]], client: FlaskClient, started: Initialised, key_of: Callable[..., str]
) -> None:
    assert two[0][0].get("/api/audit").status_code == 403
    assert client.get("/api/audit", headers=bearer(key_of("shop", "admin"))).status_code == 403
    admin = bearer(started.admin_key)
    every = client.get("/api/audit", headers=admin).json["entries"]
    assert [(one["action"], one["actor"], one["address"]) for one in every[:2]] == [
        ("accounts.login.succeeded", "user:ada@example.com", "127.0.0.1")
    ] * 2
    first = client.get("/api/audit?limit=2", headers=admin).json["entries"]
    rest = client.get(f"/api/audit?before={first[-1]['id']}", headers=admin).json["entries"]
    assert first + rest == every

    def asked(query: str) -> list[str]:
        return [one["action"] for one in client.get(f"/api/audit?{query}", headers=admin).json["entries"]]

    assert asked("action=accounts.key") == ["accounts.key.created"] * 2
    assert asked("actor=user:ada") == ["accounts.login.succeeded"] * 2
    assert asked("action=accounts.k_y") == [], "a beginning is no pattern"
    assert len(asked("project=default")) == 3
    assert client.get("/api/audit?project=none", headers=admin).status_code == 404

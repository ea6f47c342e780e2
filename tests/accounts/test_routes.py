"""Accounts, keys and projects as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import audit
from quadra.accounts.audit import list_entries
from quadra.accounts.login_pages import same_site_path
from quadra.accounts.setup import Initialised
from quadra.accounts.tables import User
from quadra.core.database import Database
from tests.accounts.conftest import PASSWORD, bearer

ADA = {"email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
def admin(started: Initialised) -> dict[str, str]:
    return bearer(started.admin_key)


def audited(database: Database) -> list[tuple[str, str, str]]:
    """Actor, action and subject since the first start, oldest first."""
    with database.read() as session:
        return [(entry.actor, entry.action, entry.subject) for entry in reversed(list_entries(session))][4:]


def test_an_admin_registers_somebody_who_then_logs_in_looks_around_and_logs_out(
    client: FlaskClient, database: Database, admin: dict[str, str], started: Initialised
) -> None:
    made = client.post("/api/auth/register", json={**ADA, "name": "Ada"}, headers=admin)
    assert made.status_code == 201
    user = {"id": 2, "email": "ada@example.com", "name": "Ada", "role": "viewer"}
    assert made.json == {"user": user}
    entered = client.post("/api/auth/login", json=ADA)
    assert (entered.status_code, entered.json["user"]) == (200, user)
    me = client.get("/api/auth/me").json
    assert (me["kind"], me["user"], me["role"], me["projects"]) == ("session", user, "viewer", ["default"])
    assert client.post("/api/auth/logout").status_code == 403
    token = {"X-CSRF-Token": entered.json["csrf_token"]}
    elsewhere = client.application.test_client()
    assert elsewhere.post("/api/auth/login", json=ADA).status_code == 200
    cookie = client.get_cookie("quadra_session")
    assert cookie is not None
    left = client.post("/api/auth/logout", headers=token)
    assert (left.json, left.headers["Clear-Site-Data"]) == ({"success": True}, '"cache"')
    assert client.get("/api/auth/me").status_code == 401
    assert client.post("/api/auth/logout").status_code == 200
    client.set_cookie("quadra_session", cookie.value)
    assert client.get("/api/auth/me").status_code == 401, "a copy of the cookie opens nothing any more"
    assert elsewhere.get("/api/auth/me").status_code == 200, "and other sessions go on"
    key = f"key:{str(started.admin_key)[:11]}"
    assert audited(database) == [
        (key, "accounts.user.created", "ada@example.com"),
        ("user:ada@example.com", "accounts.login.succeeded", ""),
        ("user:ada@example.com", "accounts.login.succeeded", ""),
        ("user:ada@example.com", "accounts.logout.succeeded", ""),
    ]


def test_a_key_asks_who_it_is(client: FlaskClient, key_of: Callable[..., str]) -> None:
    key = key_of("shop", "read")
    me = client.get("/api/auth/me", headers=bearer(key)).json
    assert (me["kind"], me["role"], me["projects"], me["user"]) == ("key", "viewer", ["shop"], None)
    assert me["key"] == {"id": 3, "prefix": key[:11], "scope": "read", "project": "shop"}


def test_registering_is_for_admins(client: FlaskClient, key_of: Callable[..., str]) -> None:
    assert client.post("/api/auth/register", json=ADA).status_code == 401
    for scope in ("read", "admin", "ingest"):
        headers = bearer(key_of(f"shop-{scope}", scope))
        assert client.post("/api/auth/register", json=ADA, headers=headers).status_code == 403


def test_an_open_installation_takes_strangers_as_viewers_and_as_nothing_more(make_app: Callable[..., Flask]) -> None:
    client = make_app(registration_open=True).test_client()
    assert client.post("/api/auth/register", json={**ADA, "role": "admin"}).status_code == 401
    made = client.post("/api/auth/register", json=ADA)
    assert (made.status_code, made.json["user"]["role"]) == (201, "viewer")
    assert client.post("/api/auth/register", json=ADA).status_code == 409
    many = [client.post("/api/auth/register", json={**ADA, "email": f"{n}@b.org"}).status_code for n in range(5)]
    assert many == [201, 201, 201, 429, 429]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": 5, "password": PASSWORD}, "email"),
        ({"email": "ada@example.com", "password": "short"}, "password"),
        ({**ADA, "role": "root"}, "role"),
    ],
)
def test_a_wrong_body_names_its_field(
    client: FlaskClient, admin: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/auth/register", json=body, headers=admin)
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (400, [field])


def test_a_project_that_somebody_forgot_to_name_gets_no_key(client: FlaskClient, admin: dict[str, str]) -> None:
    answer = client.post("/api/keys", json={"project": "", "scope": "read"}, headers=admin)
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (400, ["project"])


def test_what_no_database_can_store_does_not_keep_a_deed_out_of_the_audit_log(database: Database) -> None:
    with database.begin() as session:
        assert audit.record(session, actor="stranger", action="a.b", subject="a\x00b").subject == "ab"


def test_a_wrong_password_is_refused_and_noted(
    client: FlaskClient, database: Database, make_user: Callable[..., User]
) -> None:
    make_user()
    answer = client.post("/api/auth/login", json={**ADA, "password": "wrong horse battery"})
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "unauthorised")
    assert "Set-Cookie" not in answer.headers
    assert audited(database) == [("stranger", "accounts.login.failed", "ada@example.com")]


def test_another_sites_form_cannot_log_somebody_in(client: FlaskClient, make_user: Callable[..., User]) -> None:
    make_user()
    body, evil = '{"email":"ada@example.com","password":"correct horse battery"}', {"Origin": "https://evil.org"}
    answer = client.post("/api/auth/login", data=body, content_type="text/plain", headers=evil)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "csrf")
    assert client.post("/api/auth/login", data=body).status_code == 200  # curl -d, which is no browser


def test_a_user_changes_the_own_password_and_stays_logged_in_here_only(
    app: Flask, client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user()
    elsewhere = app.test_client()
    elsewhere.post("/api/auth/login", json=ADA)
    token = log_in()
    body = {"current_password": "wrong horse battery", "new_password": "a new password"}
    assert client.post("/api/auth/password", json=body, headers=token).status_code == 401
    body["current_password"] = PASSWORD
    assert client.post("/api/auth/password", json=body).status_code == 403
    assert client.post("/api/auth/password", json=body, headers=token).status_code == 200
    assert client.get("/api/auth/me").status_code == 200
    assert elsewhere.get("/api/auth/me").status_code == 401


def test_the_login_page_takes_a_password_only_with_its_token_and_goes_where_one_wanted_to_go(
    client: FlaskClient, make_user: Callable[..., User]
) -> None:
    make_user()
    page = client.get("/login?next=/live?project%3Dshop").text
    assert "error=None next=/live?project=shop" in page
    form = {**ADA, "next": "/live?project=shop", "csrf_token": page.split("[")[1].split("]")[0]}
    refused = client.post("/login", data={**form, "csrf_token": ""})
    assert refused.status_code == 403
    wrong = client.post("/login", data={**form, "password": "wrong horse battery"})
    assert wrong.status_code == 401
    assert "password is wrong" in wrong.text
    assert "email=ada@example.com" in wrong.text
    entered = client.post("/login", data=form)
    assert (entered.status_code, entered.headers["Location"]) == (303, "/live?project=shop")
    assert client.get("/login").status_code == 303
    token = client.get("/api/auth/me").json["csrf_token"]
    assert token != form["csrf_token"]
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", data={"csrf_token": token}).headers["Location"] == "/login"
    assert client.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/live?project=shop#top", "/live?project=shop#top"),
        ("", "/"),
        ("live", "/"),
        ("https://evil.org", "/"),
        ("//evil.org", "/"),
        ("/\\evil.org", "/"),
        ("/\t/evil.org", "/"),
        ("/\n/evil.org", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_the_login_one_stays_on_this_site(target: str, expected: str) -> None:
    assert same_site_path(target) == expected


def test_a_project_comes_with_a_write_key(client: FlaskClient, database: Database, admin: dict[str, str]) -> None:
    body = {"name": "My Shop", "timezone": "Europe/Berlin", "weekStart": "sunday"}
    made = client.post("/api/projects", json=body, headers=admin)
    assert made.status_code == 201
    assert made.json["project"] == "my-shop"
    assert made.json["write_key"].startswith("qk_")
    listed = {project["slug"]: project for project in client.get("/api/projects", headers=admin).json["projects"]}
    assert (listed["my-shop"]["timezone"], listed["my-shop"]["week_start"]) == ("Europe/Berlin", "sunday")
    assert [action for _, action, _ in audited(database)] == ["accounts.project.created", "accounts.key.created"]
    wrong = client.post("/api/projects", json={"name": "x", "timezone": "Mars"}, headers=admin)
    assert (wrong.status_code, list(wrong.json["error"]["fields"])) == (400, ["timezone"])
    assert client.post("/api/projects", json={**body, "slug": "my-shop"}, headers=admin).status_code == 409


def test_a_key_is_shown_once_and_revoked(client: FlaskClient, database: Database, admin: dict[str, str]) -> None:
    body = {"project": "default", "scope": "read", "name": "Grafana", "origins": ["https://example.com"]}
    made = client.post("/api/keys", json=body, headers=admin)
    assert made.status_code == 201
    key = made.json["key"]
    assert client.get("/api/auth/me", headers=bearer(key)).status_code == 200
    listing = client.get("/api/keys?project=default", headers=admin)
    assert key not in listing.text
    assert listing.json["keys"][0]["prefix"] == key[:11]
    revoked = client.delete(f"/api/keys/{made.json['id']}", headers=admin)
    assert revoked.json["key"]["revoked_at"].endswith("Z")
    assert client.get("/api/auth/me", headers=bearer(key)).status_code == 401
    assert [action for _, action, _ in audited(database)] == ["accounts.key.created", "accounts.key.revoked"]


def test_a_projects_own_admin_key_rules_its_own_keys_and_no_others(
    client: FlaskClient, key_of: Callable[..., str]
) -> None:
    own = bearer(key_of("shop", "admin"))
    assert client.post("/api/keys", json={"scope": "ingest"}, headers=own).json["project"] == "shop"
    assert client.get("/api/keys?project=default", headers=own).status_code == 404
    assert client.post("/api/keys", json={"project": "default", "scope": "admin"}, headers=own).status_code == 404
    assert client.delete("/api/keys/1", headers=own).status_code == 404
    assert client.delete("/api/keys/999", headers=own).status_code == 404
    assert client.delete("/api/keys/3", headers=own).status_code == 200
    reader = bearer(key_of("other", "read"))
    assert client.get("/api/keys", headers=reader).status_code == 403
    assert client.delete("/api/keys/1", headers=reader).status_code == 403
    assert client.get("/api/projects", headers=reader).json["projects"][0]["slug"] == "other"


def test_an_admin_changes_an_account_and_the_last_admin_stays(
    client: FlaskClient, database: Database, make_user: Callable[..., User], admin: dict[str, str]
) -> None:
    user = make_user()
    path = f"/api/users/{user.id}"
    assert client.post(path, json={"role": "editor"}, headers=admin).json["user"]["role"] == "editor"
    assert client.post(path, json={"disabled": True}, headers=admin).json["user"]["disabled"]
    assert client.post(path, json={"disabled": "yes"}, headers=admin).status_code == 400
    assert client.post(path, json={}, headers=admin).status_code == 400
    assert client.post("/api/users/99", json={"role": "editor"}, headers=admin).status_code == 404
    assert client.post("/api/users/1", json={"disabled": True}, headers=admin).status_code == 409
    assert client.post("/api/users/1", json={"role": "viewer"}, headers=admin).status_code == 409
    assert [user["disabled"] for user in client.get("/api/users", headers=admin).json["users"]] == [True, False]
    assert [action for _, action, _ in audited(database)] == ["accounts.user.changed"] * 2


@pytest.mark.parametrize(
    ("method", "path", "body", "fields"),
    [
        ("POST", "/api/auth/login", {**ADA, "pasword": "x"}, ["pasword"]),
        ("POST", "/api/auth/login", {"email": "ada@example.com", "password": 1234567890}, ["password"]),
        ("POST", "/api/auth/register", {**ADA, "roles": ["admin"]}, ["roles"]),
        ("POST", "/api/users/1", {"role": "editor", "disable": True}, ["disable"]),
        ("POST", "/api/projects", {"name": "Shop", "time_zone": "UTC", "week_start": "friday"}, ["time_zone", "week_start"]),
        ("POST", "/api/keys?project=shop", {"scope": "ingest"}, ["project"]),
        ("GET", "/api/keys?projct=shop", None, ["projct"]),
        ("GET", "/api/users?role=admin", None, ["role"]),
    ],
)  # fmt: skip
def test_what_no_door_takes_is_named_and_changes_nothing(
    client: FlaskClient, database: Database, admin: dict[str, str], method: str, path: str, body: Any, fields: list[str]
) -> None:
    answer = client.open(path, method=method, json=body, headers=admin)
    assert (answer.status_code, sorted(answer.json["error"]["fields"])) == (400, fields)
    assert audited(database) == []
    assert client.open(path, method=method, json=body).status_code == (400 if "login" in path else 401)


def test_a_write_key_may_ask_who_it_is_and_nothing_else(client: FlaskClient, key_of: Callable[..., str]) -> None:
    key = bearer(key_of("shop", "ingest"))
    me = client.get("/api/auth/me", headers=key).json
    assert (me["kind"], me["role"], me["key"]["scope"]) == ("key", None, "ingest")
    assert client.get("/api/projects", headers=key).status_code == 403
    assert client.post("/api/auth/password", json={"x": 1}, headers=key).status_code == 403

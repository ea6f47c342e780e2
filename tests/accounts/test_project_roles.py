"""A role in a project counts there instead of the one on the installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from quadra.accounts.setup import Initialised
from quadra.accounts.tables import User
from tests.accounts.conftest import PASSWORD, bearer

Answer = dict[str, Any]


@pytest.fixture
def boss(client: FlaskClient, started: Initialised, key_of: Callable[..., str]) -> dict[str, str]:
    """The headers of the installation's admin, who has the projects `shop` and `bank`."""
    key_of("shop", "read")
    key_of("bank", "read")
    return bearer(started.admin_key)


def add(client: FlaskClient, headers: dict[str, str], slug: str, role: str, email: str = "ada@example.com") -> Answer:
    body = {"email": email, "role": role}
    made = client.post(f"/api/projects/{slug}/people", json=body, headers=headers)
    assert made.status_code == 201, made.text
    answer: Answer = made.json
    return answer


def rename(client: FlaskClient, headers: dict[str, str], slug: str) -> int:
    return client.patch(f"/api/projects/{slug}", json={"name": "Renamed"}, headers=headers).status_code


def projects(client: FlaskClient) -> dict[str, str]:
    roles: dict[str, str] = client.get("/api/auth/me").json["roles"]
    return roles


def test_who_is_invited_to_a_project_chooses_a_password_and_sees_that_project_alone(
    client: FlaskClient, boss: dict[str, str], log_in: Callable[..., dict[str, str]]
) -> None:
    made = add(client, boss, "shop", "editor")
    assert (made["person"]["role"], made["person"]["source"]) == ("editor", "project")
    assert made["link"]["user"]["role"] == "none"
    token = made["link"]["url"].partition("#")[2]
    chosen = client.post("/api/auth/password-link", json={"token": token, "new_password": PASSWORD})
    assert chosen.status_code == 200, chosen.text
    log_in()
    assert projects(client) == {"shop": "editor"}
    assert [one["slug"] for one in client.get("/api/projects").json["projects"]] == ["shop"]
    assert client.get("/api/users").status_code == 403
    noted = client.get("/api/audit?action=accounts.member", headers=boss).json["entries"]
    assert [(one["action"], one["subject"], one["project"], one["details"]) for one in noted] == [
        ("accounts.member.added", "ada@example.com", "shop", {"role": "editor"})
    ]


@pytest.mark.parametrize(("everywhere", "here"), [("editor", "viewer"), ("viewer", "admin"), ("none", "admin")])
def test_the_role_in_a_project_counts_there_whether_it_is_more_or_less(
    client: FlaskClient,
    boss: dict[str, str],
    make_user: Callable[..., User],
    log_in: Callable[..., dict[str, str]],
    everywhere: str,
    here: str,
) -> None:
    user = make_user(role=everywhere)
    assert add(client, boss, "shop", here)["link"] is None, "there is an account already"
    headers = log_in()
    elsewhere = {} if everywhere == "none" else {"default": everywhere, "bank": everywhere}
    assert projects(client) == {"shop": here} | elsewhere
    assert rename(client, headers, "shop") == (200 if here == "admin" else 403)
    assert rename(client, headers, "bank") == (404 if everywhere == "none" else 403)
    path = f"/api/projects/shop/people/{user.id}"
    assert client.delete(path, headers=boss).status_code == 200
    assert projects(client) == elsewhere | ({} if everywhere == "none" else {"shop": everywhere}), "at once"
    assert client.delete(path, headers=boss).status_code == 404


def test_an_admin_of_the_installation_is_one_in_every_project(
    client: FlaskClient, boss: dict[str, str], make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    user = make_user(role="viewer")
    add(client, boss, "shop", "viewer")
    client.post(f"/api/users/{user.id}", json={"role": "admin"}, headers=boss)
    headers = log_in()
    assert rename(client, headers, "shop") == 200
    body = {"role": "viewer"}
    assert client.patch(f"/api/projects/shop/people/{user.id}", json=body, headers=boss).status_code == 409
    shown = client.get("/api/projects/shop/people", headers=boss).json["people"]
    assert ("ada@example.com", "admin", "installation") in [(one["email"], one["role"], one["source"]) for one in shown]


def test_an_admin_of_a_project_gives_roles_there_and_finds_nobody_of_elsewhere(
    client: FlaskClient, boss: dict[str, str], make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user(role="none")
    add(client, boss, "shop", "admin")
    foreign = add(client, boss, "bank", "viewer", "eve@example.com")["person"]["id"]
    headers = log_in()
    bob = add(client, headers, "shop", "viewer", "bob@example.com")["person"]["id"]
    path = "/api/projects/shop/people"
    changed = client.patch(f"{path}/{bob}", json={"role": "editor"}, headers=headers)
    assert changed.json["person"]["role"] == "editor"
    assert client.patch(f"{path}/{foreign}", json={"role": "viewer"}, headers=headers).status_code == 404
    assert "eve" not in client.get(path).text
    assert client.get("/api/projects/bank/people").status_code == 404
    link = client.post(f"/api/users/{bob}/password-link", headers=headers)
    assert link.status_code == 403, "or an admin of a project took over accounts of others"
    for wrong in ({"role": "none"}, {"role": "boss"}):
        assert client.patch(f"{path}/{bob}", json=wrong, headers=headers).status_code == 400


@pytest.mark.parametrize(("slug", "scope"), [("default", "admin"), ("quadra", "read"), ("quadra", "admin")])
def test_an_admin_of_a_project_neither_makes_nor_revokes_a_key_that_opens_more_than_it(
    client: FlaskClient,
    boss: dict[str, str],
    key_of: Callable[..., str],
    make_user: Callable[..., User],
    log_in: Callable[..., dict[str, str]],
    slug: str,
    scope: str,
) -> None:
    key_of(slug, "ingest")
    make_user(role="none")
    add(client, boss, slug, "admin")
    headers = log_in()
    body = {"project": slug, "scope": scope}
    assert client.post("/api/keys", json=body, headers=headers).status_code == 403
    made = client.post("/api/keys", json=body, headers=boss)
    assert client.delete(f"/api/keys/{made.json['id']}", headers=headers).status_code == 403
    assert client.post("/api/keys", json=body | {"scope": "ingest"}, headers=headers).status_code == 201


def test_who_has_no_role_reaches_their_own_account_and_nothing_else(
    client: FlaskClient, boss: dict[str, str], make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user(role="none")
    headers = log_in()
    me = client.get("/api/auth/me").json
    assert (me["role"], me["projects"], me["user"]["role"]) == (None, [], "none")
    assert client.get("/api/auth/sessions").status_code == 200
    assert client.post("/api/auth/me", json={"name": "Ada"}, headers=headers).status_code == 200
    refused = client.get("/api/projects")
    assert (refused.status_code, "Ask an admin" in refused.json["error"]["message"]) == (403, True)


def test_without_a_project_the_only_one_is_meant_and_of_several_none(
    client: FlaskClient, boss: dict[str, str], make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user(role="none")
    add(client, boss, "shop", "admin")
    log_in()
    assert {one["project"] for one in client.get("/api/keys").json["keys"]} == {"shop"}
    add(client, boss, "bank", "admin")
    assert client.get("/api/keys").status_code == 404

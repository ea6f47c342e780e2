"""Links by which people choose a password, each once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner
from werkzeug.test import TestResponse

from quadra.accounts.password_links import LASTS
from quadra.accounts.setup import Initialised
from quadra.accounts.tables import User
from tests.accounts.conftest import PASSWORD, bearer

CHOSEN = "nine purple llamas sing"


@pytest.fixture
def admin(started: Initialised) -> dict[str, str]:
    return bearer(started.admin_key)


def choose(client: FlaskClient, url: str, password: str = CHOSEN) -> TestResponse:
    token = url.partition("#")[2]
    return client.post("/api/auth/password-link", json={"token": token, "new_password": password})


def enters(client: FlaskClient, email: str, password: str) -> bool:
    return client.post("/api/auth/login", json={"email": email, "password": password}).status_code == 200


def test_who_is_invited_chooses_a_password_once(client: FlaskClient, admin: dict[str, str]) -> None:
    body = {"email": "eve@example.com", "name": "Eve", "role": "editor"}
    made = client.post("/api/users/invite", json=body, headers=admin)
    assert (made.status_code, made.json["user"]["role"]) == (201, "editor")
    assert made.json["url"].startswith("/set-password#"), "the host is never taken from a request"
    weak = choose(client, made.json["url"], "eve@example.com")
    assert (weak.status_code, list(weak.json["error"]["fields"])) == (400, ["new_password"])
    assert choose(client, made.json["url"]).status_code == 200
    assert enters(client, "eve@example.com", CHOSEN)
    again = choose(client.application.test_client(), made.json["url"], "another good one of mine")
    assert (again.status_code, list(again.json["error"]["fields"])) == (400, ["token"])
    assert enters(client, "eve@example.com", CHOSEN)
    assert client.post("/api/users/invite", json=body, headers=admin).status_code == 409


def test_a_forgotten_password_stays_until_the_link_is_used(
    client: FlaskClient, admin: dict[str, str], make_user: Callable[..., User]
) -> None:
    path = f"/api/users/{make_user().id}/password-link"
    first, second = (client.post(path, headers=admin).json["url"] for _ in range(2))
    assert enters(client, "ada@example.com", PASSWORD)
    assert choose(client.application.test_client(), first).status_code == 200
    assert client.get("/api/auth/me").status_code == 401, "every session ended"
    assert choose(client, second).status_code == 400, "the other link with it"


def test_a_link_is_not_made_up_and_not_kept_for_ever(
    client: FlaskClient, admin: dict[str, str], make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/users/{make_user().id}/password-link"
    url = client.post(path, headers=admin).json["url"]
    at = url.index("#") + 1
    # not the last character: its lower bits are beyond the signature, so A and B say the same
    another = url[:-2] + ("A" if url[-2] != "A" else "B") + url[-1]
    for wrong in (another, f"{url[:at]}WzEsMF0{url[at:]}", "#", "#a.b.c"):
        assert choose(client, wrong).status_code == 400
    late = TimestampSigner.get_timestamp
    past = (LASTS + timedelta(minutes=1)).total_seconds()
    with monkeypatch.context() as patch:
        patch.setattr(TimestampSigner, "get_timestamp", lambda self: late(self) + int(past))
        assert choose(client, url).status_code == 400
    assert choose(client, url).status_code == 200


def test_links_are_made_by_admins_for_accounts_that_may_log_in(
    client: FlaskClient,
    admin: dict[str, str],
    make_user: Callable[..., User],
    key_of: Callable[..., str],
) -> None:
    user = make_user()
    path = f"/api/users/{user.id}/password-link"
    number = count()
    for scope in ("read", "ingest", "admin"):
        headers = bearer(key_of(f"shop-{next(number)}", scope))
        assert client.post(path, headers=headers).status_code == 403
        assert client.post("/api/users/invite", json={"email": "b@example.com"}, headers=headers).status_code == 403
    url = client.post(path, headers=admin).json["url"]
    client.post(f"/api/users/{user.id}", json={"disabled": True}, headers=admin)
    assert client.post(path, headers=admin).status_code == 409
    assert choose(client, url).status_code == 400


def test_a_project_is_changed_by_its_admins(
    client: FlaskClient, admin: dict[str, str], key_of: Callable[..., str]
) -> None:
    own = bearer(key_of("shop", "admin"))
    changed = client.patch("/api/projects/shop", json={"timezone": "Europe/Berlin"}, headers=own)
    project = changed.json["project"]
    assert (project["name"], project["timezone"], project["week_start"]) == ("shop", "Europe/Berlin", "sunday")
    wrong = client.patch("/api/projects/shop", json={"timezone": "Berlin", "name": " "}, headers=own)
    assert (wrong.status_code, sorted(wrong.json["error"]["fields"])) == (400, ["name", "timezone"])
    assert client.patch("/api/projects/default", json={"name": "Mine"}, headers=own).status_code == 404
    assert (
        client.patch("/api/projects/shop", json={"name": "Mine"}, headers=bearer(key_of("a", "read"))).status_code
        == 403
    )
    newest = client.get("/api/audit?limit=1", headers=admin).json["entries"][0]
    assert (newest["action"], newest["project"]) == ("accounts.project.changed", "shop")
    assert newest["details"] == {"timezone": "Europe/Berlin"}

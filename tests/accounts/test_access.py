"""Who may do what, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts.access import admit, credentials, require, require_page, require_project
from quadra.accounts.keys import revoke_key
from quadra.accounts.passwords import Hashed, hash_password
from quadra.accounts.setup import Initialised
from quadra.accounts.tables import ApiKey, User
from quadra.accounts.users import disable, get_user, set_password, set_role
from quadra.core.database import Database
from quadra.core.errors import Forbidden, NotFound, Unauthorised
from tests.accounts.conftest import bearer

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@pytest.fixture
def app(app: Flask) -> Flask:
    """With a route for each role, and one that shows a project."""
    for role in ("viewer", "editor", "admin"):
        app.add_url_rule(f"/{role}", role, lambda role=role: {"actor": require(role).actor}, methods=METHODS)
    app.add_url_rule("/page", "page", lambda: {"role": require_page().role})
    app.add_url_rule("/see/<slug>", "see", lambda slug: {"project": require_project(slug, "viewer").slug})
    app.add_url_rule("/change/<slug>", "change", lambda slug: {"project": require_project(slug, "admin").slug})
    app.add_url_rule("/own", "own", lambda: {"project": require_project(None, "viewer").slug})
    return app


def statuses(client: FlaskClient, headers: dict[str, str], *paths: str) -> list[int]:
    return [client.get(path, headers=headers).status_code for path in paths]


ROLE_PATHS = ("/viewer", "/editor", "/admin")


@pytest.mark.parametrize(
    ("role", "expected"), [("viewer", [200, 403, 403]), ("editor", [200, 200, 403]), ("admin", [200, 200, 200])]
)
def test_each_role_may_do_what_those_before_it_may(
    client: FlaskClient,
    make_user: Callable[..., User],
    log_in: Callable[..., dict[str, str]],
    role: str,
    expected: list[int],
) -> None:
    make_user(role=role)
    log_in()
    assert statuses(client, {}, *ROLE_PATHS) == expected


def test_a_stranger_is_told_to_log_in(client: FlaskClient) -> None:
    answer = client.get("/viewer")
    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "unauthorised"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/see/default").status_code == 401


def test_a_stranger_on_a_page_is_sent_to_the_login_and_back(client: FlaskClient) -> None:
    answer = client.get("/page?project=shop")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=/page?project%3Dshop"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_read_key_is_a_viewer_of_its_own_project_only(
    client: FlaskClient, key_of: Callable[..., str], scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {key_of('shop', 'read')}"}
    assert statuses(client, headers, *ROLE_PATHS) == [200, 403, 403]
    assert statuses(client, headers, "/see/shop", "/change/shop", "/see/default") == [200, 403, 404]
    assert client.get("/own", headers=headers).json == {"project": "shop"}


def test_a_read_key_of_the_first_project_is_a_viewer_of_that_one_only(
    client: FlaskClient, key_of: Callable[..., str]
) -> None:
    key_of("shop", "read")
    headers = bearer(key_of("default", "read"))
    assert statuses(client, headers, "/see/default", "/see/shop", "/change/default", "/admin") == [200, 404, 403, 403]
    assert [project["slug"] for project in client.get("/api/projects", headers=headers).json["projects"]] == ["default"]


def test_an_admin_key_is_the_admin_of_its_own_project_and_of_nothing_else(
    client: FlaskClient, key_of: Callable[..., str]
) -> None:
    headers = bearer(key_of("shop", "admin"))
    assert statuses(client, headers, *ROLE_PATHS) == [200, 403, 403]
    assert statuses(client, headers, "/see/shop", "/change/shop", "/change/default") == [200, 200, 404]


def test_an_admin_key_of_the_first_project_is_the_admin_of_everything(
    client: FlaskClient, key_of: Callable[..., str], started: Initialised
) -> None:
    key_of("shop", "read")
    headers = bearer(started.admin_key)
    assert statuses(client, headers, *ROLE_PATHS, "/change/shop", "/own") == [200] * 5


def test_a_foreign_project_looks_like_one_that_is_not_there(client: FlaskClient, key_of: Callable[..., str]) -> None:
    headers = bearer(key_of("shop", "admin"))
    foreign, missing = (client.get(f"/see/{slug}", headers=headers).json["error"] for slug in ("default", "missing"))
    assert foreign["code"] == missing["code"] == "not_found"
    assert foreign["message"].replace("default", "missing") == missing["message"]


def test_a_write_key_opens_nothing_but_ingest(client: FlaskClient, started: Initialised) -> None:
    assert statuses(client, bearer(started.write_key), *ROLE_PATHS, "/see/default") == [403] * 4


def test_a_revoked_or_unknown_key_is_refused_even_beside_a_good_cookie(
    client: FlaskClient,
    database: Database,
    key_of: Callable[..., str],
    make_user: Callable[..., User],
    log_in: Callable[..., dict[str, str]],
) -> None:
    key = key_of("shop", "read")
    make_user()
    log_in()
    assert statuses(client, bearer(key), "/viewer") == [200]
    with database.begin() as session:
        revoke_key(session, key_id=3)
    assert statuses(client, bearer(key), "/viewer") == [401]
    assert statuses(client, bearer("qk_unknown"), "/viewer") == [401]


def test_using_a_key_notes_when(client: FlaskClient, database: Database, key_of: Callable[..., str]) -> None:
    headers = bearer(key_of("shop", "read"))
    noted = []
    for _ in range(2):
        client.get("/viewer", headers=headers)
        with database.read() as session:
            noted.append(session.get_one(ApiKey, 3).last_used_at)
    assert noted[0] is not None
    assert noted[0] == noted[1]


def test_a_key_that_cannot_be_noted_still_opens(
    client: FlaskClient, app: Flask, key_of: Callable[..., str], database: Database
) -> None:
    headers = bearer(key_of("shop", "read"))
    database.engine.dispose()
    url = database.url.set(query={"mode": "ro", "uri": "true"}, database=f"file:{database.url.database}")
    app.extensions["quadra"].database = read_only = Database(url.render_as_string())
    assert statuses(client, headers, "/viewer") == [200]
    read_only.dispose()


def test_a_cookie_counts_on_unsafe_methods_only_with_its_token(
    client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user()
    token = log_in()
    refused = client.post("/viewer")
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "csrf")
    assert client.post("/viewer", headers={"X-CSRF-Token": "guessed"}).status_code == 403
    assert client.post("/viewer", headers={"X-CSRF-Token": "ünïcode"}).status_code == 403
    assert client.post("/viewer", headers=token).status_code == 200
    assert client.post("/viewer", data={"csrf_token": token["X-CSRF-Token"]}).status_code == 200
    assert client.get("/viewer").status_code == 200


@pytest.mark.parametrize("method", [method for method in METHODS if method != "GET"])
def test_every_method_that_changes_something_needs_the_token(
    client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]], method: str
) -> None:
    make_user()
    token = log_in()
    refused = client.open("/viewer", method=method)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "csrf")
    assert client.open("/viewer", method=method, headers=token).status_code == 200


def test_a_token_of_another_session_does_not_count(
    app: Flask, client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user()
    log_in()
    other = app.test_client()
    other.get("/login")
    with other.session_transaction() as session:
        foreign = session["csrf_token"]
    assert client.post("/viewer", headers={"X-CSRF-Token": foreign}).status_code == 403


def test_a_key_needs_no_token(client: FlaskClient, started: Initialised) -> None:
    assert client.post("/admin", headers=bearer(started.admin_key)).status_code == 200


@pytest.mark.parametrize("ending", ["password", "disabled"])
def test_a_session_ends_when_the_password_changes_or_the_account_is_disabled(
    client: FlaskClient,
    database: Database,
    make_user: Callable[..., User],
    log_in: Callable[..., dict[str, str]],
    ending: str,
) -> None:
    user = make_user()
    log_in()
    assert client.get("/viewer").status_code == 200
    with database.begin() as session:
        if ending == "password":
            set_password(session, user_id=user.id, password=Hashed("another"))
        else:
            disable(session, user_id=user.id)
    assert client.get("/viewer").status_code == 401


def test_a_new_role_holds_from_the_next_request_on(
    client: FlaskClient, database: Database, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    user = make_user()
    log_in()
    with database.begin() as session:
        set_role(session, user_id=user.id, role="admin")
    assert client.get("/admin").status_code == 200


def test_a_socket_is_let_in_by_a_read_key_or_by_the_session_of_our_own_page(
    app: Flask,
    client: FlaskClient,
    database: Database,
    key_of: Callable[..., str],
    make_user: Callable[..., User],
    log_in: Callable[..., dict[str, str]],
    started: Initialised,
) -> None:
    user = make_user()
    log_in()
    cookie = client.get_cookie("quadra_session")
    assert cookie is not None
    handshake = {"Cookie": f"quadra_session={cookie.value}"}
    own, foreign = {"Origin": "http://localhost"}, {"Origin": "http://localhost:8080"}
    with app.test_request_context(headers=handshake):
        assert admit(database, credentials()).actor == f"user:{user.email}"
    with app.test_request_context(headers=handshake | own):
        shown = credentials()
    assert admit(database, shown).role == "viewer"
    with app.test_request_context(headers=handshake | foreign):
        with pytest.raises(Forbidden):
            credentials()
        assert admit(database, credentials(key_of("shop", "read"))).most == "viewer"
        with pytest.raises(Unauthorised):
            admit(database, credentials("qk_unknown"))
        with pytest.raises(Forbidden):
            admit(database, credentials(str(started.write_key)))
    with app.test_request_context(), pytest.raises(Unauthorised):
        admit(database, credentials())
    with database.begin() as session:
        set_password(session, user_id=user.id, password=hash_password("another password", email=user.email))
    with pytest.raises(Unauthorised):
        admit(database, shown)


def test_a_project_is_hidden_in_code_as_it_is_over_http(app: Flask, key_of: Callable[..., str]) -> None:
    with app.test_request_context(headers=bearer(key_of("shop", "read"))), pytest.raises(NotFound):
        require_project("default", "viewer")


def test_users_are_read_anew(database: Database, make_user: Callable[..., User]) -> None:
    user = make_user()
    with database.read() as session:
        assert get_user(session, user.id).email == user.email

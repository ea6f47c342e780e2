"""Every route of the whole application, asked with a name in the address that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts.setup import initialise
from quadra.app import create_app
from quadra.core import settings
from quadra.core.api.openapi import WRITE_KEY
from quadra.core.api.unknown_names import OPEN, described
from quadra.core.runtime import build
from quadra.dashboard.openapi import PAGES
from quadra.doors import DESCRIBED
from tests.servers.schema import bring_up

BY_WRITE_KEY = {
    path for group in DESCRIBED for door in group.doors if door.needs == WRITE_KEY for path in (door.path, *door.also)
}
ALSO = {path for group in DESCRIBED for door in group.doors if door.path in OPEN for path in door.also}


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, FlaskClient, dict[str, str]]]:
    data = tmp_path_factory.mktemp("data")
    runtime = build(
        settings.load(
            data_dir=data, database_url=f"sqlite:///{data / 'quadra.db'}", rate_limit_enabled=False, self_observe=False
        )
    )
    bring_up(runtime.database)
    with runtime.database.begin() as session:
        key = initialise(session, settings=runtime.settings).admin_key
    app = create_app(runtime)
    app.wsgi_app = Flask.wsgi_app.__get__(app)  # type: ignore[method-assign]  # no loop runs here
    yield app, app.test_client(), {"Authorization": f"Bearer {key}"}
    runtime.close()


def routes(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, described(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
        and rule.endpoint not in PAGES
        and not rule.endpoint.startswith("dashboard.")
    }


def test_every_route_refuses_a_name_that_it_does_not_know_but_those_that_are_open(
    admin: tuple[Flask, FlaskClient, dict[str, str]],
) -> None:
    app, client, key = admin
    taken, refused = set(), 0
    for method, path in sorted(routes(app)):
        if path in OPEN | ALSO | BY_WRITE_KEY:
            continue
        place = re.sub(r"{\w+}", "1", path)
        answer = client.open(f"{place}?evnt=1", method=method, headers=key, json=None if method == "GET" else {})
        if answer.status_code == 400 and "evnt" in answer.get_json()["error"]["fields"]:
            refused += 1
        else:
            taken.add((method, path, answer.status_code))
    assert taken == set()
    assert refused > 70


def test_the_nearest_known_name_is_told_and_known_ones_are_taken(
    admin: tuple[Flask, FlaskClient, dict[str, str]],
) -> None:
    _, client, key = admin
    fields = client.get("/api/saved-views?projct=default", headers=key).get_json()["error"]["fields"]
    assert fields == {"projct": "is not known here; did you mean project?"}
    assert client.get("/api/saved-views?project=default&limit=1", headers=key).status_code == 200
    assert client.head("/api/saved-views?projct=default", headers=key).status_code == 400
    assert client.get("/api/keys?evnt=1").status_code == 401  # strangers hear first that it is not for them


def test_probes_take_whatever_a_balancer_adds(admin: tuple[Flask, FlaskClient, dict[str, str]]) -> None:
    _, client, _ = admin
    assert client.get("/health?evnt=1").status_code == 200


def test_an_address_that_is_no_text_is_refused(admin: tuple[Flask, FlaskClient, dict[str, str]]) -> None:
    _, client, _ = admin
    for path in ("/health", "/api/keys", "/v1/track"):
        answer = client.get(path, environ_overrides={"QUERY_STRING": "\xe9=1"})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "invalid")


@pytest.mark.parametrize("sent", ["Basic \xff\xff", "Basic !!!", "Basic /w=="])
def test_basic_authentication_that_is_none_is_401(admin: tuple[Flask, FlaskClient, dict[str, str]], sent: str) -> None:
    _, client, _ = admin
    assert client.post("/v1/track", json={}, headers={"Authorization": sent}).status_code == 401


def test_the_description_can_be_made(admin: tuple[Flask, FlaskClient, dict[str, str]]) -> None:
    _, client, _ = admin
    assert client.get("/api/openapi.json").status_code == 200

"""Saved views and share links: who may, what is kept, what a link opens and that it opens nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import room as accounts
from quadra.accounts.audit import list_entries
from quadra.accounts.keys import make_key
from quadra.accounts.projects import get_project
from quadra.analytics import room
from quadra.analytics.tables import SavedView
from quadra.analytics.views import saved_view_routes, share_routes
from quadra.core.rooms import open_rooms
from quadra.core.web import http, limits
from tests.analytics.conftest import Place
from tests.analytics.reference import ev

As = Callable[..., dict[str, str]]
RANGE = {"from": "2026-03-02", "to": "2026-03-02"}
QUESTIONS = {
    "visits": {"lens": "trends", "params": {**RANGE, "event": "a", "where": {"plan": ["pro", "free"]}}},
    "way": {"lens": "funnels/query", "params": {**RANGE, "steps": [{"event": "a"}, {"event": "b"}]}},
}
VIEW = {"name": "Visits", "page": "trends", "params": {"event": "a"}, "questions": QUESTIONS}
HISTORY = [
    ev("u", "2026-03-02 10:00", plan="pro"),
    ev("v", "2026-03-02 11:00", plan="max"),
    ev("u", "2026-03-02 12:00", "b"),
]


@pytest.fixture(scope="module")
def app(place: Place) -> Flask:
    app = Flask("test")
    app.extensions["quadra"] = place.runtime
    http.set_up(app)
    open_rooms(app, place.runtime, accounts, room)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    limits.limiter.reset()
    return app.test_client()


@pytest.fixture
def as_(place: Place) -> As:
    def headers(slug: str, scope: str = "admin") -> dict[str, str]:
        with place.runtime.database.begin() as session:
            _, plain = make_key(session, project=get_project(session, slug), scope=scope)
        return {"Authorization": f"Bearer {plain}"}

    return headers


def saved(client: FlaskClient, headers: dict[str, str], **changed: Any) -> Any:
    answer = client.post("/api/saved-views", json=VIEW | changed, headers=headers)
    assert answer.status_code == 201, answer.json
    return answer.json


def shared(client: FlaskClient, headers: dict[str, str], **changed: Any) -> tuple[str, str]:
    """The id of a view and the path of its link."""
    view_id = saved(client, headers, **changed)["id"]
    link = client.post(f"/api/saved-views/{view_id}/share", headers=headers).json
    assert link["url"] == f"/share/{link['token']}"
    return view_id, f"/share/{link['token']}"


@pytest.mark.parametrize("public_url", ["", "https://quadra.example.com", "https://quadra.example.com/"])
def test_a_link_never_names_a_host_that_the_request_made_up(
    app: Flask, client: FlaskClient, as_: As, place: Place, public_url: str
) -> None:
    headers = as_(place.project().slug)
    view_id = saved(client, headers)["id"]
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    was, place.runtime.settings.public_url = place.runtime.settings.public_url, public_url
    try:
        link = client.post(f"/api/saved-views/{view_id}/share", headers=headers | evil).json
    finally:
        place.runtime.settings.public_url = was
    assert link["url"] == f"{public_url.rstrip('/')}/share/{link['token']}"


def test_a_view_is_saved_listed_shown_and_deleted(client: FlaskClient, as_: As, place: Place) -> None:
    slug = place.project().slug
    admin, reader = as_(slug), as_(slug, "read")
    view = saved(client, admin)
    assert {key: view[key] for key in VIEW} == VIEW
    assert (view["project"], view["share"]) == (slug, None)
    assert view["created_by"].startswith("key:qk_")
    other = saved(client, admin, name="Second", params={"deep": {"list": [1, None, "…"]}})
    assert client.get("/api/saved-views", headers=reader).json == {"saved_views": [other, view], "cursor": None}
    page = client.get("/api/saved-views?limit=1", headers=reader).json
    assert page["saved_views"] == [other]
    assert client.get(f"/api/saved-views?cursor={page['cursor']}", headers=reader).json["saved_views"] == [view]
    assert client.get(f"/api/saved-views/{view['id']}", headers=reader).json == view
    assert client.delete(f"/api/saved-views/{view['id']}", headers=admin).json == {"success": True}
    assert client.get(f"/api/saved-views/{view['id']}", headers=reader).status_code == 404


def test_a_project_has_a_bounded_number_of_views(
    client: FlaskClient, place: Place, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_view_routes.ROWS, "most", 2)
    headers, other = as_(place.project().slug), as_(place.project().slug)
    for _ in range(2):
        saved(client, headers)
    refused = client.post("/api/saved-views", json=VIEW, headers=headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "conflict")
    saved(client, other)


def test_a_wrong_question_is_named_by_its_key_and_field(client: FlaskClient, as_: As, place: Place) -> None:
    questions = {
        "a": {"lens": "trends", "params": {"timezone": "Nowhere", "aggregate": "most"}},
        "b": {"lens": "funnels/query", "params": {"steps": []}},
        "c": {"lens": "dreams"},
        "d": {"lens": "trends", "params": {"project": "another"}},
        "e": "trends",
        "f g": {"lens": "trends"},
        "h": {"lens": "trends", "params": []},
    }
    body = {"name": " ", "page": "No Page", "params": 1, "questions": questions}
    answer = client.post("/api/saved-views", json=body, headers=as_(place.project().slug))
    assert answer.status_code == 400
    assert set(answer.json["error"]["fields"]) == {
        "name",
        "page",
        "params",
        "questions.a.params.timezone",
        "questions.a.params.aggregate",
        "questions.b.params.steps",
        "questions.c.lens",
        "questions.d.params.project",
        "questions.e",
        "questions.f g",
        "questions.h.params",
    }


def test_viewers_read_views_and_editors_change_them(client: FlaskClient, as_: As, place: Place) -> None:
    slug = place.project().slug
    view_id = saved(client, as_(slug))["id"]
    writes = [
        ("POST", "/api/saved-views"),
        ("DELETE", f"/api/saved-views/{view_id}"),
        ("POST", f"/api/saved-views/{view_id}/share"),
        ("DELETE", f"/api/saved-views/{view_id}/share"),
    ]
    for method, path in writes:
        assert client.open(path, method=method, json=VIEW).status_code == 401
        assert client.open(path, method=method, json=VIEW, headers=as_(slug, "read")).status_code == 403


def test_a_key_of_one_project_learns_nothing_of_the_views_of_another(
    client: FlaskClient, as_: As, place: Place
) -> None:
    mine, other = place.project().slug, place.project().slug
    view_id = saved(client, as_(mine))["id"]
    stranger = as_(other)
    assert client.get("/api/saved-views", headers=stranger).json["saved_views"] == []
    missing = client.get("/api/saved-views/nowhere", headers=stranger).json["error"]["message"]
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/share"), ("DELETE", "/share")]:
        answer = client.open(f"/api/saved-views/{view_id}{path}", method=method, headers=stranger)
        assert (answer.status_code, answer.json["error"]["message"]) == (404, missing)
    assert client.get(f"/api/saved-views?project={mine}", headers=stranger).status_code == 404
    assert client.post("/api/saved-views", json=VIEW | {"project": mine}, headers=stranger).status_code == 404
    assert client.get(f"/api/saved-views/{view_id}", headers=as_(mine)).status_code == 200


def test_a_link_answers_exactly_the_saved_questions(client: FlaskClient, as_: As, place: Place) -> None:
    mine, other = place.tell(HISTORY), place.tell([ev("x", "2026-03-02 10:00", plan="pro")] * 5)
    _view_id, link = shared(client, as_(mine.slug))
    assert client.get(link).json == {
        "name": "Visits",
        "page": "trends",
        "params": {"event": "a"},
        "keys": ["visits", "way"],
    }
    answer = client.get(f"{link}/data/visits").json
    assert [point["value"] for point in answer["series"][0]["points"]] == [1]
    assert [step["count"] for step in client.get(f"{link}/data/way").json["steps"]] == [2, 1]
    ignored = f"?project={other.slug}&event=b&where[plan]=max&days=90&from=2020-01-01"
    again = client.get(f"{link}/data/visits{ignored}", headers=as_(other.slug)).json
    assert (again["series"], again["rows_read"]) == (answer["series"], answer["rows_read"])
    assert client.get(f"{link}/data/other").status_code == 404


def test_a_link_answers_several_of_its_questions_at_once_as_each_alone(
    client: FlaskClient, as_: As, place: Place
) -> None:
    questions = QUESTIONS | {"overview": {"lens": "dashboard", "params": RANGE}, "gone": {"lens": "trends"}}
    questions["gone"]["params"] = {"segment": "019be0c4-3c00-7000-8000-000000000001"}
    _view_id, link = shared(client, as_(place.tell(HISTORY).slug), questions=questions)
    named = f"{link}/data?keys=way,gone,overview,visits"
    whole = client.get(named)
    assert whole.headers["Cache-Control"] == "no-store"
    alone = {key: client.get(f"{link}/data/{key}").json for key in questions}
    assert list(whole.json["answers"]) == ["way", "overview", "visits"]
    for key, answer in whole.json["answers"].items():
        assert _lasting(answer) == _lasting(alone[key]), key
    assert whole.json["errors"]["gone"]["message"] == alone["gone"]["error"]["message"]
    lines = client.get(named, headers={"Accept": "application/x-ndjson"})
    assert (lines.content_type, lines.headers["Referrer-Policy"]) == ("application/x-ndjson", "no-referrer")
    told = {line["key"]: line.get("answer") for line in map(json.loads, lines.text.splitlines())}
    assert {key: answer and _lasting(answer) for key, answer in told.items()} == {
        key: None if key == "gone" else _lasting(answer) for key, answer in alone.items()
    }


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("computed_at", "elapsed_ms")}


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("", 400),
        ("?keys=", 400),
        ("?keys=" + ",".join(f"k{number}" for number in range(21)), 400),
        ("?keys=visits,other", 404),
        ("?keys=__class__", 404),
        ("?keys=visits&project=default", 400),
        ("?keys=visits&lens=sql", 400),
        ("?keys=visits&where[plan]=max", 400),
        ("?keys[]=visits", 400),
        ("?" + "&".join(f"k{number}=1" for number in range(1_001)), 400),
    ],
)
def test_nothing_but_its_own_questions_is_asked_with_a_link(
    client: FlaskClient, as_: As, place: Place, address: str, status: int
) -> None:
    _view_id, link = shared(client, as_(place.project().slug))
    assert client.get(f"{link}/data{address}").status_code == status
    other = {"questions": {"visits": {"lens": "trends", "params": {}}}}
    assert client.post(f"{link}/data?keys=visits", json=other).status_code == 405
    changed = client.get(f"{link}/data?keys=visits", json=other | {"lens": "sql"}).json
    assert list(changed["answers"]) == ["visits"]
    assert client.get("/share/qs_nothing/data?keys=visits").status_code == 404


def test_a_link_that_was_taken_back_or_replaced_opens_nothing(client: FlaskClient, as_: As, place: Place) -> None:
    headers = as_(place.project().slug)
    view_id, first = shared(client, headers)
    assert client.get(f"/api/saved-views/{view_id}", headers=headers).json["share"]["shared_by"].startswith("key:")
    second = "/share/" + client.post(f"/api/saved-views/{view_id}/share", headers=headers).json["token"]
    assert (client.get(first).status_code, client.get(second).status_code) == (404, 200)
    assert client.delete(f"/api/saved-views/{view_id}/share", headers=headers).json == {"success": True}
    assert client.get(second).status_code == client.get(f"{second}/data/visits").status_code == 404
    assert client.get(f"/api/saved-views/{view_id}", headers=headers).json["share"] is None
    third = "/share/" + client.post(f"/api/saved-views/{view_id}/share", headers=headers).json["token"]
    client.delete(f"/api/saved-views/{view_id}", headers=headers)
    for link in (third, "/share/qs_nothing", "/share/" + "q" * 5_000):
        assert client.get(link).status_code == 404


def test_the_token_is_kept_as_a_hash_and_the_deeds_are_audited(client: FlaskClient, as_: As, place: Place) -> None:
    project = place.project()
    view_id, link = shared(client, as_(project.slug))
    token = link.removeprefix("/share/")
    with place.runtime.database.read() as session:
        row = session.execute(sa.select(SavedView.__table__).where(SavedView.id == view_id)).one()
        assert row.share_sha256 == hashlib.sha256(token.encode()).hexdigest()
        assert token not in str(tuple(row))
        noted = list_entries(session, project_id=project.id)
    assert [entry.action for entry in noted] == ["analytics.saved_view.shared", "analytics.saved_view.created"]
    assert not any(token in str((entry.subject, entry.details)) for entry in noted)


def test_a_link_stays_out_of_caches_referrers_and_search_engines(client: FlaskClient, as_: As, place: Place) -> None:
    _view_id, link = shared(client, as_(place.project().slug))
    for path in (link, f"{link}/data/visits", "/share/qs_nothing"):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]


def test_guessing_at_links_is_limited(
    client: FlaskClient, as_: As, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.runtime.settings, "rate_limit_share", 3)
    found = [client.get(f"/share/qs_{number}").status_code for number in range(4)]
    assert found == [404, 404, 404, 429]
    assert client.get("/share/qs_x/data/y").status_code == client.get("/share/qs_x/data?keys=y").status_code == 429


@pytest.mark.parametrize("keys", ["keys=visits,way", "Keys=visits,way", "keys=visits&keys=way"])
def test_each_question_of_a_link_counts_against_its_limit(
    client: FlaskClient, as_: As, place: Place, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    _view_id, link = shared(client, as_(place.tell(HISTORY).slug))
    monkeypatch.setattr(place.runtime.settings, "rate_limit_share", 3)
    assert [client.get(f"{link}/data?{keys}").status_code for _ in range(2)] == [200, 429]
    assert [client.get(f"{link}/data/way").status_code for _ in range(2)] == [200, 429]


def test_a_browser_gets_the_page_that_the_dashboard_made(
    app: Flask, client: FlaskClient, as_: As, place: Place
) -> None:
    _view_id, link = shared(client, as_(place.project().slug))
    html = {"Accept": "text/html,*/*;q=0.8"}
    assert client.get(link, headers=html).is_json  # as long as there is no page
    app.extensions[share_routes.SHARE_PAGE] = lambda token, shown: f"<h1>{shown.name}</h1> {token}"
    try:
        assert client.get(link, headers=html).text == f"<h1>Visits</h1> {link.removeprefix('/share/')}"
        assert client.get(link).is_json
        assert client.get(link, headers=html).headers["Referrer-Policy"] == "no-referrer"
    finally:
        del app.extensions[share_routes.SHARE_PAGE]


def test_a_shared_overview_tells_no_insights_which_are_of_the_whole_project(
    client: FlaskClient, as_: As, place: Place
) -> None:
    questions = {"overview": {"lens": "dashboard", "params": {**RANGE, "where": {"plan": "pro"}}}}
    _, path = shared(client, as_(place.tell(HISTORY).slug), page="overview", questions=questions)
    told = client.get(f"{path}/data/overview").json
    assert told["events"]["total"] == 1
    assert "insights" not in told


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", "/api/saved-views?limt=1", {"limt"}),
        ("GET", "/api/saved-views?cursor=x", {"cursor"}),
        ("GET", "/api/saved-views/x?project=y", {"project"}),
        ("POST", "/api/saved-views?project=y", {"project", "nmae"}),
        ("DELETE", "/api/saved-views/x/share?project=y", {"project"}),
    ],
)
def test_what_no_door_takes_is_named(
    client: FlaskClient, as_: As, place: Place, method: str, path: str, fields: set[str]
) -> None:
    body = VIEW | {"nmae": "Visits"} if method == "POST" else None
    answer = client.open(path, method=method, json=body, headers=as_(place.project().slug))
    assert (answer.status_code, set(answer.json["error"]["fields"])) == (400, fields)

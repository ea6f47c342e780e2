"""People and keys of one project against every described door: about another project, and about their own. A new door is in it
by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from quadra.accounts.keys import make_key
from quadra.accounts.members import set_member
from quadra.accounts.passwords import hash_password
from quadra.accounts.projects import create_project, get_project
from quadra.accounts.tables import ROLES, AuditEntry
from quadra.accounts.users import create_user
from quadra.analytics.lens_list import BY_PATH
from quadra.app import create_app
from quadra.core import clock, settings
from quadra.core.api.openapi import Door
from quadra.core.database import Base, Database
from quadra.core.ids import uuid7
from quadra.core.runtime import build
from quadra.doors import DESCRIBED
from quadra.ingest.tables import Batch
from quadra.jobs.tables import Job
from tests.accounts.conftest import PASSWORD, bearer
from tests.servers.schema import bring_up

SECRET = "signs-what-a-webhook-sends"
HUSH = "hushhush"
"""Stands in whatever the other project has."""
DOORS = [
    door
    for group in DESCRIBED
    for door in group.doors
    if isinstance(door, Door) and door.for_role and not door.path.startswith("/api/auth/")  # one's own account
]
WHOLE = {"/api/admin/workers", "/api/admin/kinds", "/api/admin/durations", "/mcp"}
"""For viewers, but of the installation, or for keys alone."""
ASKED_IN_BODY = {f"/api/analytics/{path}" for path, lens in BY_PATH.items() if lens.in_body}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {  # what both projects have, by the name of its id in paths
    "goal_id": ("/api/goals", {"event": "order_placed"}),
    "segment_id": ("/api/segments", {"where": {"plan": "pro"}}),
    "annotation_id": ("/api/annotations", {"at": "2026-01-01T00:00:00Z"}),
    "view_id": ("/api/saved-views", {"page": "trends", "params": {}, "questions": {}}),
    "channel_id": ("/api/channels", {"kind": "webhook", "target": "http://127.0.0.1:1/hook"}),
    "alert_id": ("/api/alerts", {"when": {"kind": "no_events", "minutes": 30}}),
}
LOOKED = {"user_session", "web_process", "audit_entry"}
"""Tables that are written by looking: an export is noted."""


@dataclass(frozen=True)
class Place:
    """A project, and the id of its row of each kind."""

    slug: str
    ids: dict[str, Any] = field(default_factory=dict)

    def is_asked(self, door: Door) -> bool:
        """Whether the door is about a project, or about something of one."""
        return in_body(door) or any(param.name in {"project", *self.ids} for param in door.params)


@dataclass(frozen=True)
class Asker:
    client: FlaskClient
    headers: dict[str, str]

    def ask(self, door: Door, place: Place, more: dict[str, Any] | None = None) -> TestResponse:
        """As the description says it, about what is in `place`, with `more` in the body."""
        path, query, body = door.path, {}, None
        for param in door.params:
            path = path.replace(f"{{{param.name}}}", str(place.ids.get(param.name, param.example or "x")))
            if param.name == "project":
                query = {"project": place.slug}
        if door.body is not None:
            body = {**(door.body.example or {}), **({"project": place.slug} if in_body(door) else {}), **(more or {})}
        return self.client.open(path, method=door.method, query_string=query, json=body, headers=self.headers)


@dataclass(frozen=True)
class House:
    app: Flask
    database: Database
    mine: Place
    other: Place

    def enter(self, who: str) -> Asker:
        """By the name of a person, or of a scope of the project's keys."""
        client = self.app.test_client()
        if who.startswith("key "):
            with self.database.begin() as session:
                project = get_project(session, self.mine.slug)
                return Asker(client, bearer(make_key(session, project=project, scope=who.removeprefix("key "))[1]))
        answer = client.post("/api/auth/login", json={"email": f"{who}@example.com", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return Asker(client, {"X-CSRF-Token": answer.json["csrf_token"]})

    def rows(self) -> dict[str, list[Any]]:
        """All that is in the database, but who looked last."""
        with self.database.read() as session:
            return {
                name: [
                    {key: value for key, value in row.items() if key != "last_used_at"}
                    for row in session.execute(sa.select(table)).mappings()
                ]
                for name, table in Base.metadata.tables.items()
                if name not in LOOKED
            }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("data")
    url = f"sqlite:///{data / 'quadra.db'}"
    mail = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "quadra@example.com"}
    runtime = build(settings.load(data_dir=data, database_url=url, rate_limit_enabled=False, **mail))
    bring_up(runtime.database)
    app = create_app(runtime)
    app.wsgi_app = Flask.wsgi_app.__get__(app)  # type: ignore[method-assign]  # on this thread: no loop runs here
    hashed = hash_password(PASSWORD, email="")
    with runtime.database.begin() as session:
        mine = create_project(session, name="shop", slug="shop")
        create_project(session, name=HUSH, slug="bank")
        for role in (*ROLES, "nobody"):
            user = create_user(session, email=f"{role}@example.com", password=hashed, role="none")
            if role in ROLES:
                set_member(session, mine, user, role)
        create_user(session, email="boss@example.com", password=hashed, role="admin")
        create_user(session, email="operator@example.com", password=hashed, role="viewer")
    found = House(app, runtime.database, Place("shop"), Place("bank"))
    boss = found.enter("boss")
    _fill(found, boss, found.mine, "ours")
    _fill(found, boss, found.other, HUSH)
    yield found
    runtime.database.dispose()


def _fill(house: House, boss: Asker, place: Place, name: str) -> None:
    def make(path: str, **fields: Any) -> Any:
        made = boss.client.post(path, json=fields, headers=boss.headers)
        assert made.status_code in (201, 202), (path, made.text)
        return made.json

    for id_name, (path, fields) in ROWS.items():
        named = {"text" if id_name == "annotation_id" else "name": name}
        named |= {"secret": SECRET} if id_name == "channel_id" else {}
        place.ids[id_name] = make(path, project=place.slug, **fields, **named)["id"]
    mail = make("/api/channels", project=place.slug, kind="email", target=f"{name}@example.com")["id"]
    report = {"name": name, "page": "overview", "every": "day", "to": [mail]}
    place.ids["report_id"] = make("/api/reports", project=place.slug, **report)["id"]
    place.ids["export_id"] = make("/api/exports", project=place.slug, format="csv")["id"]
    place.ids["slug"] = place.slug
    place.ids["key_id"] = make("/api/keys", project=place.slug, scope="read", name=name)["id"]
    place.ids["user_id"] = make(f"/api/projects/{place.slug}/people", email=f"{name}@example.com")["person"]["id"]
    with house.database.begin() as session:
        project, at = get_project(session, place.slug), clock.now()
        batch = Batch(id=uuid7(), project_id=project.id, writer=name, status="SEALED", opened_at=at, sealed_at=at)
        job = Job(id=uuid7(), kind=name, project_id=project.id, state="FAILED", args={"what": name}, finished_at=at)
        session.add_all([batch, job])
        place.ids.update(batch_id=batch.id, job_id=job.id)


def in_body(door: Door) -> bool:
    shape = door.body.shape if door.body is not None and isinstance(door.body.shape, dict) else {}
    return "project" in shape.get("properties", {}) or door.path in ASKED_IN_BODY


def said(door: Door, answer: TestResponse) -> str:
    return f"{door.method} {door.path}: {answer.status_code} {answer.text[:200]}"


@pytest.mark.parametrize("who", ["viewer", "admin", "nobody", "key read", "key admin"])
def test_nothing_of_another_project_is_read_or_changed_by_any_door(house: House, who: str) -> None:
    asker, before, wrong = house.enter(who), house.rows(), []
    for door in DOORS:
        answer = asker.ask(door, house.other)
        refused = answer.status_code in (403, 404)
        must = who == "nobody" or house.other.is_asked(door)
        if HUSH in answer.text or (must and not refused):
            wrong.append(said(door, answer))
    assert not wrong, "\n".join(wrong)
    assert house.rows() == before


def test_a_viewer_reads_their_project_and_changes_nothing_by_any_door(house: House) -> None:
    asker, before, wrong = house.enter("viewer"), house.rows(), []
    for door in DOORS:
        if (door.method, door.path) == ("POST", "/api/exports"):
            continue  # a file of what they may read
        answer = asker.ask(door, house.mine)
        open_to_all = door.needs == "viewer" and door.path not in WHOLE and door.method != "DELETE"
        if (answer.status_code == 403) is open_to_all:
            wrong.append(said(door, answer))
    assert not wrong, "\n".join(wrong)
    assert house.rows() == before


def test_an_editor_changes_their_project_and_nothing_that_admins_do(house: House) -> None:
    asker, wrong = house.enter("editor"), []
    for door in DOORS:
        if door.needs == "admin" and (answer := asker.ask(door, house.mine)).status_code != 403:
            wrong.append(said(door, answer))
    assert not wrong, "\n".join(wrong)
    goal = {"project": "shop", "name": "Bought", "event": "bought"}
    made = asker.client.post("/api/goals", json=goal, headers=asker.headers)
    assert made.status_code == 201, made.text
    gone = asker.client.delete(f"/api/goals/{made.json['id']}", headers=asker.headers)
    assert gone.status_code == 200, gone.text


def test_a_viewer_of_the_installation_sees_all_of_the_queue_and_changes_nothing(house: House) -> None:
    asker, before, wrong = house.enter("operator"), house.rows(), []
    for door in DOORS:
        looks = door.needs == "viewer"
        if looks and not door.path.startswith("/api/admin/"):
            continue  # as the viewer of a project
        answer = asker.ask(door, house.other)
        if (answer.status_code == 200) is not looks:
            wrong.append(said(door, answer))
    assert not wrong, "\n".join(wrong)
    assert house.rows() == before
    jobs = asker.client.get("/api/admin/jobs").json["jobs"]
    assert {job["kind"] for job in jobs} >= {"ours", HUSH}
    story = asker.client.get(f"/api/admin/jobs/{house.other.ids['job_id']}").json
    assert story["args"] == {"what": HUSH}


def test_a_secret_of_a_channel_is_in_no_answer_and_no_audit_entry(house: House) -> None:
    boss, asked = (
        house.enter("boss"),
        [door for door in DOORS if door.method == "GET" and door.path.count("/api/") == 1],
    )
    rooms = [door for door in asked if door.path.split("/")[2] in {"channels", "alerts", "reports", "audit", "admin"}]
    assert len(rooms) > 10
    path = f"/api/channels/{house.mine.ids['channel_id']}"
    changed = boss.client.patch(path, json={"secret": f"{SECRET}-too"}, headers=boss.headers)
    assert (changed.status_code, changed.json["has_secret"], SECRET in changed.text) == (200, True, False)
    for door in rooms:
        assert SECRET not in boss.ask(door, house.mine).text, door.path
    assert SECRET not in str(house.rows() | {"channel": [], "alert_channel": []})


@pytest.mark.parametrize("who", ["viewer", "admin"])
def test_pages_list_and_show_their_project_alone(house: House, who: str) -> None:
    client = house.enter(who).client
    for rule in house.app.url_map.iter_rules():
        if rule.endpoint.startswith("dashboard.") and "GET" in (rule.methods or ()) and not rule.arguments:
            own, foreign = client.get(rule.rule), client.get(f"{rule.rule}?project=bank")
            assert HUSH not in own.text + foreign.text, rule.rule
            assert "bank" not in own.text, rule.rule
    assert client.get("/overview?project=bank").status_code == 404
    assert client.get("/settings/me").status_code == 200


NO_SETTINGS = re.compile(
    r"/mcp|/api/(admin|analytics|business|deployment|disaster-recovery|model|predict|sinks|train)(/|$)"
)
"""Where no page of settings changes anything."""
ANSWERS: dict[str, dict[str, Any]] = {
    "POST /api/goals": {"page": None},
    "PATCH /api/goals/{goal_id}": {"event": "bought", "page": None},
    "POST /api/segments": {"where": {"plan": "pro"}},
    "POST /api/alerts": {"to": []},
    "POST /api/reports": {"to": []},
    "POST /api/projects": {"slug": "lake"},
    "POST /api/users/invite": {"email": "guest@example.com"},
}
"""What is sent beside the example of the description."""
UNTRIED = re.compile(r"/api/auth/(register|second-factor.*|sessions/.*)")
"""They need a code of now, a link or an id: test_second_factor, test_password_links and test_me look."""


def test_every_door_of_settings_that_changes_something_stands_in_the_audit_log_once(house: House) -> None:
    pond = Place("pond")
    with house.database.begin() as session:
        create_project(session, name="pond", slug="pond")
        create_user(session, email="owner@example.com", password=hash_password(PASSWORD, email=""), role="admin")
    owner = house.enter("owner")
    _fill(house, owner, pond, "pond")
    every = (door for group in DESCRIBED for door in group.doors if isinstance(door, Door) and door.for_role)
    found = [door for door in every if door.method != "GET" and not NO_SETTINGS.match(door.path)]
    # what deletes comes last, the inner thing before the one that holds it; one's own account last of all
    found.sort(key=lambda door: (door.path.startswith("/api/auth/"), door.method == "DELETE", -door.path.count("/")))
    wrong, tried = [], 0
    for door in found:
        before = len(_noted(house))
        answer = owner.ask(door, pond, ANSWERS.get(f"{door.method} {door.path}"))
        done, noted = answer.status_code < 300, _noted(house)[before:]
        once = 0 < len(noted) == len(set(noted))
        if not (once if done else UNTRIED.fullmatch(door.path)):
            wrong.append(f"{said(door, answer)} {noted}")
        owner.headers.update({"X-CSRF-Token": token} if (token := answer.json.get("csrf_token")) else {})
        tried += done
    assert not wrong, "\n".join(wrong)
    assert tried >= 30


def _noted(house: House) -> list[str]:
    with house.database.read() as session:
        return list(session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)))

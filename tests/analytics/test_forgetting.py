"""An erased person is named by no saved view any more; what only looks like their id stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import convert

from quadra.accounts.projects import get_project
from quadra.analytics.kept.annotations import annotate
from quadra.analytics.lens_list import read_asked
from quadra.analytics.tables import Annotation, GoalRow, SavedView, SegmentOfPeople
from quadra.analytics.views.saved_views import NewView, find_shared, make_view, share_view
from quadra.core.runtime import Runtime
from quadra.insights.forgetting import ERASED
from tests.warehouse.conftest import erase, event, installation, store

RANGE = {"from": "2026-03-02", "to": "2026-03-02"}
STEPS = [{"event": "u-3", "where": {"plan": "pro"}}, {"event": "buy", "where": {"userId": ["u-3", "u-4"]}}]


def view(who: str, other: str = "u-4") -> dict[str, Any]:
    return {
        "name": f"What {who} did",
        "page": "user",
        "params": {"user": who, "where[user_id]": [who, other], "steps": json.dumps(STEPS), "note": f"for {other}"},
        "questions": {
            "one": {"lens": "user/events", "params": {**RANGE, "user_id": who}},
            "all": {"lens": "trends", "params": {**RANGE, "event": who, "where": {"page_url": [f"/p/{who}", "/p/x"]}}},
            "kept": {"lens": "retention", "params": {**RANGE, "first_where[anonymous_id]": who}},
            "way": {"lens": "funnels/query", "params": {**RANGE, "steps": STEPS}},
            "own": {"lens": "sql", "params": {**RANGE, "sql": f"FROM events WHERE user_id = '{who}'"}},
        },
    }


def save(runtime: Runtime, slug: str, body: dict[str, Any]) -> str:
    with runtime.database.begin() as session:
        view = make_view(get_project(session, slug), convert(body, NewView), by="admin")
        session.add(view)
        session.flush()
        return share_view(session, view, by="admin")


def kept(runtime: Runtime, token: str) -> Any:
    with runtime.database.read() as session:
        found, project = find_shared(session, token)
        for question in found.questions.values():  # still what their lenses understand
            read_asked(question["lens"], question["params"], project)
        return {"name": found.name, "params": found.params, "questions": found.questions}


def test_no_saved_view_names_an_erased_person_and_its_link_goes_on(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:
        store(runtime, [event(3, anonymous_id="cookie-3"), event(4)])
        token, cookie, elsewhere = (
            save(runtime, slug, view(who)) for slug, who in [("shop", "u-3"), ("shop", "cookie-3"), ("blog", "u-3")]
        )
        erase(runtime, "cookie-3")  # any id of theirs
        found = kept(runtime, token)
        steps = [STEPS[0], {"event": "buy", "where": {"userId": [ERASED, "u-4"]}}]
        assert found["name"] == f"What {ERASED} did"
        assert found["params"]["user"] == ERASED
        assert found["params"]["where[user_id]"] == [ERASED, "u-4"]
        assert json.loads(found["params"]["steps"]) == steps
        assert found["params"]["note"] == "for u-4"
        asked = {key: question["params"] for key, question in found["questions"].items()}
        assert asked["one"] == {**RANGE, "user_id": ERASED}
        assert asked["all"] == {**RANGE, "event": "u-3", "where": {"page_url": [f"/p/{ERASED}", "/p/x"]}}
        assert asked["kept"] == {**RANGE, "first_where[anonymous_id]": ERASED}
        assert asked["own"]["sql"] == f"FROM events WHERE user_id = '{ERASED}'"
        assert asked["way"] == {**RANGE, "steps": steps}
        assert "cookie-3" not in json.dumps({**kept(runtime, cookie)["questions"], "all": None})
        assert kept(runtime, elsewhere)["questions"] == view("u-3")["questions"]  # of another project


def test_nor_does_a_goal_a_segment_or_an_annotation(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:
        store(runtime, [event(3)])
        with runtime.database.begin() as session:
            project_id = get_project(session, "shop").id
            where = {"user_id": {"is_not": ["u-3", "u-4"]}, "plan": "pro"}
            rule = {"where": {"user_id": "u-3"}, "did": [{"event": "u-3", "where": where}], "did_not": []}
            common: dict[str, Any] = {"project_id": project_id, "created_by": "test"}
            session.add(GoalRow(name="What u-3 bought", event="u-3", where=where, **common))
            session.add(SegmentOfPeople(name="u-3 and u-4", rule=rule, **common))
            annotate(session, project_id, "u-3 called")
        erase(runtime, "u-3")
        after = {"user_id": {"is_not": [ERASED, "u-4"]}, "plan": "pro"}
        with runtime.database.read() as session:
            goal, segment = session.scalars(sa.select(GoalRow)).one(), session.scalars(sa.select(SegmentOfPeople)).one()
            assert (goal.name, goal.event, goal.where) == (f"What {ERASED} bought", "u-3", after)
            assert (segment.name, segment.rule["where"]) == (f"{ERASED} and u-4", {"user_id": ERASED})
            assert segment.rule["did"] == [{"event": "u-3", "where": after}]
            assert session.scalars(sa.select(Annotation.text)).one() == f"{ERASED} called"


@pytest.mark.parametrize(
    ("where", "after"),
    [
        ({"status": "500"}, {"status": "500"}),
        ({"user_id": "500"}, {"user_id": ERASED}),
        ({"accountId": ["500", "7"]}, {"accountId": [ERASED, "7"]}),
        ({"user_id": {"is_not": ["500", "7"]}}, {"user_id": {"is_not": [ERASED, "7"]}}),
    ],
)
def test_a_bare_number_is_a_person_only_where_ids_stand(tmp_path: Path, where: Any, after: Any) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:
        params = {**RANGE, "limit": 500, "where": where}
        body = {"name": "500 a day", "page": "events", "questions": {"q": {"lens": "user/events", "params": params}}}
        token = save(runtime, "shop", body)
        erase(runtime, "500")
        found = kept(runtime, token)
        assert found["name"] == "500 a day"
        assert found["questions"]["q"]["params"] == {**params, "where": after}


def test_every_view_is_looked_at_however_many_there_are(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:
        for _ in range(120):
            save(runtime, "shop", view("u-3"))
        erase(runtime, "u-3")
        with runtime.database.read() as session:
            names = set(session.scalars(sa.select(SavedView.name)))
        assert names == {f"What {ERASED} did"}

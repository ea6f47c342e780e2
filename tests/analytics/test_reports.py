"""The SQL of the reports runs elsewhere, and says there what the lens says here."""

from __future__ import annotations

from typing import Any

import duckdb
import msgspec
import orjson
import pytest

from quadra.analytics.lens_list import BY_PATH, LENSES
from quadra.analytics.views import reports
from quadra.core.api.raw_params import raw_params
from tests.analytics.conftest import Place
from tests.analytics.reference import Event, ev

RANGE = {"from": ["2026-03-02"], "to": ["2026-03-03"]}


def asked(place: Place, project: Any, **params: list[str]) -> dict[str, Any]:
    return orjson.loads(msgspec.json.encode(reports.reports(place.runtime, {**RANGE, **params}, project)))


def test_every_lens_shows_what_it_asks_and_all_of_it_runs_over_the_segments(place: Place) -> None:
    told = [
        ev("u1", "2026-03-02 10:00", n=2),
        ev("u2", "2026-03-03 11:00", "it's", n=3),
        Event("u1", ev("u1", "2026-03-02 12:00").us, "error", kind="error", fields={"error_type": "E", "message": "m"}),
    ]
    project = place.tell(told)
    place.compact(project)
    found = asked(place, project)
    assert [query["lens"] for query in found["queries"]] == [lens.path for lens in LENSES]
    assert found["setup"].count(f"segments/{project.id}/") == 1
    with duckdb.connect() as elsewhere:
        elsewhere.execute("SET TimeZone = 'UTC'")
        segments = place.runtime.settings.data_dir / "segments"
        elsewhere.execute(found["setup"].replace("segments/", f"{segments}/"))
        for query in found["queries"]:
            assert query["statements"], query["lens"]
            for statement in query["statements"]:
                elsewhere.execute(statement["sql"], statement["parameters"] or None)

        (query,) = asked(place, project, lens=["trends"], event=["it's"])["queries"]
        (statement,) = query["statements"]
        assert statement["parameters"] == {"p0": "it's"}
        assert elsewhere.execute(statement["sql"], statement["parameters"]).fetchall() == [(1, "", 1, 1)]


def test_traits_of_people_are_columns_of_the_events_that_are_shown(place: Place) -> None:
    about = {"$set": {"plan": "pro"}}
    project = place.tell(
        [
            ev("u1", "2026-03-02 09:00", "upgraded", **about),
            *(ev(who, "2026-03-02 10:00", "bought") for who in ("u1", "u2")),
        ]
    )
    place.compact(project)
    by_plan = asked(place, project, lens=["trends"], event=["bought"], breakdown=["person.plan"])
    only_pro = asked(place, project, lens=["trends"], event=["bought"], **{"where[person.plan]": ["pro"]})
    rows = []
    with duckdb.connect() as elsewhere:
        elsewhere.execute("SET TimeZone = 'UTC'")
        segments = place.runtime.settings.data_dir / "segments"
        elsewhere.execute(by_plan["setup"].replace("segments/", f"{segments}/"))
        for found in (by_plan, only_pro):
            (query,) = found["queries"]
            (statement,) = query["statements"]
            rows.append(elsewhere.execute(statement["sql"], statement["parameters"]).fetchall())
    assert sorted(row[1] for row in rows[0]) == ["", "pro"]
    assert len(rows[1]) == 1


@pytest.mark.parametrize("lens", [lens.path for lens in LENSES if not lens.in_body])
def test_asking_for_the_sql_changes_no_answer_and_looks_at_no_event(place: Place, lens: str) -> None:
    project = place.tell([ev("u1", "2026-03-02 10:00")])
    assert asked(place, project, lens=[lens])["queries"][0]["statements"]
    given = raw_params([("from", "2026-03-02"), ("to", "2026-03-03")])
    assert place.answer(BY_PATH[lens], given, project)["rows_read"] == 1


def test_the_three_ready_reports_are_there_with_their_usual_range(place: Place) -> None:
    project = place.project()
    found = asked(place, project)["reports"]
    assert [report["name"] for report in found] == [
        "requests_by_day",
        "business_metrics_by_name",
        "system_metrics_by_component",
    ]
    assert all(report["parameters"]["project"] == project.slug for report in found)

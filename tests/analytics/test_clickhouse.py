"""Every lens says the same on ClickHouse, the real engine in this process (chdb), as on DuckDB: over random histories, before
and after compaction, with people who join, and after an erasure.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from msgspec import to_builtins

from quadra.accounts.tables import Project
from quadra.analytics.lenses import trends, users
from quadra.analytics.questions import presence
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure.erasing import erase_person
from quadra.warehouse.erasure.jobs import ERASE, request_erasure
from quadra.warehouse.query.engine import warehouse_of
from tests.analytics.conftest import Place
from tests.analytics.reference import Event
from tests.analytics.stories import Story, stories
from tests.analytics.test_compacted import _answers
from tests.analytics.test_trends import ask_together
from tests.servers.clickhouse import chdb_url

STORIES = int(os.environ.get("QUADRA_TEST_STORIES", "1"))
"""Random histories that are asked about; the first one that hypothesis makes would be empty."""
connect = pytest.importorskip("quadra.warehouse.clickhouse.server").connect
clickhouse_of = pytest.importorskip("quadra.warehouse.clickhouse.engine").clickhouse_of


@pytest.fixture(scope="module")
def elsewhere(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same database, asked through ClickHouse."""
    url = chdb_url(tmp_path_factory.mktemp("chdb"))
    known = {"database_url": str(place.runtime.database.url), "data_dir": place.runtime.settings.data_dir}
    runtime = Runtime(settings=load(**known, warehouse_url=url), database=place.runtime.database, serves=True)
    there = Place(runtime)
    yield there
    with runtime._lock:
        for part in runtime._parts.values():
            if callable(close := getattr(part, "close", None)):
                close()


def total(answer: Any) -> float:
    (series,) = answer["series"]
    return sum(point["value"] for point in series["points"])


def erase(runtime: Runtime, project: Project, user_id: str) -> None:
    with runtime.database.begin() as session:
        request_erasure(session, project.id, user_id, max_attempts=1)
    with runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=[ERASE], limit=1, length=timedelta(minutes=1))
    erase_person(runtime, Lease(job, timedelta(minutes=1)))


def same(here: Any, there: Any, path: str = "") -> list[str]:
    """Where two answers differ; numbers may by what adding them in another order makes of them."""
    if isinstance(here, dict) and isinstance(there, dict) and here.keys() == there.keys():
        return [one for name in here for one in same(here[name], there[name], f"{path}.{name}")]
    if isinstance(here, list | tuple) and isinstance(there, list | tuple) and len(here) == len(there):
        pairs = zip(here, there, strict=True)
        return [one for at, (mine, other) in enumerate(pairs) for one in same(mine, other, f"{path}.{at}")]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (here, there))
    if numbers and math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-9):
        return []
    return (
        [] if here == there and type(here) is type(there) else [f"{path}: {here!r} on DuckDB, {there!r} on ClickHouse"]
    )


def test_a_copy_that_was_lost_fills_itself_again(place: Place, elsewhere: Place) -> None:
    project = place.project()
    place.append(project, [Event(f"u{n % 3}", 1_772_500_000_000_000 + n, "a") for n in range(30)])
    place.compact(project)
    assert elsewhere.ask(trends, project, event="a")["series"] == place.ask(trends, project, event="a")["series"]
    client = connect(elsewhere.runtime.settings.warehouse_url)
    client.command("TRUNCATE TABLE events")
    client.command("TRUNCATE TABLE quadra_handed_over")
    clickhouse_of(elsewhere.runtime).close()
    assert elsewhere.ask(trends, project, event="a")["series"] == place.ask(trends, project, event="a")["series"]


def test_people_in_parts_are_all_of_them_on_both(
    place: Place, elsewhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = place.tell([Event(f"u{n}", 1_772_500_000_000_000 + n, "a") for n in range(30)])
    monkeypatch.setattr(presence, "ROWS_AT_ONCE", 10)
    for one in (place, elsewhere):
        assert one.ask(users, project)["totals"]["active"] == 30


def test_an_erased_person_is_gone_there_too(place: Place, elsewhere: Place) -> None:
    project = place.project()
    at = 1_772_500_000_000_000
    place.append(project, [Event(f"u{n % 3}", at + n, "a") for n in range(30)])
    place.compact(project)
    place.append(project, [Event(f"u{n % 3}", at + 100 + n, "a") for n in range(30)])
    assert total(elsewhere.ask(trends, project, event="a")) == 60
    erase(place.runtime, project, "u1")
    assert total(elsewhere.ask(trends, project, event="a")) == 40
    client = connect(elsewhere.runtime.settings.warehouse_url)
    left = client.query(f"SELECT count() FROM events WHERE project = '{project.slug}' AND user_id = 'u1'").result_rows
    assert left == [(0,)]


def test_what_clickhouse_cannot_do_is_refused_in_its_own_words(place: Place, elsewhere: Place) -> None:
    project = place.project()
    place.append(project, [Event("u", 1_772_500_000_000_000, "a")])
    with warehouse_of(elsewhere.runtime).look(project.id) as look, pytest.raises(Unavailable, match="levenshtein_2"):
        look.query("SELECT levenshtein_2(name, 'b') FROM events")


def test_a_group_within_the_properties_is_a_company_on_both(place: Place, elsewhere: Place) -> None:
    at, said = (
        1_772_500_000_000_000,
        [{"$groups": {"company": "a~/b"}}, {"context": {"groupId": "x"}}, {"$groups": "x"}],
    )
    project = place.tell([Event("u", at + n, "a", props) for n, props in enumerate(said)])
    there, here = (one.ask(trends, project, breakdown="company")["series"] for one in (elsewhere, place))
    assert same(here, there) == []
    assert {series["label"] for series in here} == {"a~/b", "x", ""}


def test_questions_that_are_answered_together_are_answered_as_each_is_alone_there_too(
    place: Place, elsewhere: Place
) -> None:
    at = 1_772_400_000_000_000  # 1 March 2026, in the afternoon
    told = [Event(f"u{n % 4}", at + n * 3_600_000_000, "ab"[n % 2], {"plan": "pro", "amount": n}) for n in range(30)]
    alone, together = ask_together(elsewhere, place.tell(told))
    assert same(to_builtins(alone), to_builtins(together)) == []
    assert alone[0][0].points[0].value == 30


def test_every_lens_says_the_same_on_both_engines(place: Place, elsewhere: Place) -> None:
    # a smaller history that differs too is not looked for: each costs a second of CPU
    @settings(max_examples=STORIES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(story=stories(most=60).filter(lambda story: len(story.events) > 8))
    def check(story: Story) -> None:
        half = len(story.events) // 2
        project = place.tell(story.events[:half], story.zone)
        assert same(_answers(place, project, story), _answers(elsewhere, project, story)) == []
        place.compact(project)
        place.append(project, story.events[half:])
        assert same(_answers(place, project, story), _answers(elsewhere, project, story)) == []

    check()

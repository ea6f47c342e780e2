"""An erased person is named by no insight any more: not by an id, not by the name that an LLM knew them by."""

from __future__ import annotations

from pathlib import Path

from quadra.accounts.setup import installation_secret
from quadra.insights.forgetting import ERASED, named, without
from quadra.insights.handlers import LLM_SECRET
from quadra.insights.scrub import pseudonym
from quadra.insights.tables import Insight
from tests.warehouse.conftest import erase, event, installation, numbers, store


def insight(number: int, who: str, project_id: int = 1) -> Insight:
    return Insight(
        id=f"i-{number}",
        project_id=project_id,
        batch_id=f"b-{number}",
        analyst="llm",
        summary=f"{who} did most, {who}0 little.",
        confidence=0.5,
        patterns=[f"Events of {who} rose"],
        recommendations=[f'Ask "{who}"'],
        evidence={who: [1, {"who": f"/profile/{who}"}]},
        digest={"places": {f"/p/{who}": 3}},
        event_count=1,
    )


def test_no_insight_names_an_erased_person(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:
        store(runtime, [event(3, anonymous_id="cookie-3"), event(4)])
        with runtime.database.begin() as session:
            known = pseudonym("u-3", installation_secret(session, LLM_SECRET))
            told = ["u-3", "cookie-3", known, "u-4"]
            session.add_all([insight(number, who) for number, who in enumerate(told)])
            session.add(insight(9, "u-3", project_id=2))
        erase(runtime, "cookie-3")  # any id of theirs
        with runtime.database.read() as session:
            found = {number: session.get_one(Insight, f"i-{number}") for number in (0, 1, 2, 3, 9)}
        for number, who in enumerate(told[:3]):
            assert found[number].summary == f"{ERASED} did most, {who}0 little."
            assert found[number].patterns == [f"Events of {ERASED} rose"]
            assert found[number].recommendations == [f'Ask "{ERASED}"']
            assert found[number].evidence == {ERASED: [1, {"who": f"/profile/{ERASED}"}]}
            assert found[number].digest == {"places": {f"/p/{ERASED}": 3}}
        assert found[3].summary == "u-4 did most, u-40 little."
        assert found[9].summary.startswith("u-3 ")  # of another project
        assert numbers(runtime) == [4]


def test_an_id_is_a_word_of_its_own_whatever_it_is_made_of() -> None:
    names = named(["a.b*", "ä"])
    assert without("a.b* axb* ä äh", names) == f"{ERASED} axb* {ERASED} äh"

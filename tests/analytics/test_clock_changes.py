"""Days around a night in which the clock is set, by hand: Sunday has 23 or 25 hours, and Monday begins at Monday's midnight."""

from __future__ import annotations

from typing import Any

import pytest

from quadra.analytics.lenses import retention, sessions, trends
from tests.analytics.conftest import Place
from tests.analytics.reference import ev

BERLIN = "Europe/Berlin"
NIGHTS = [
    # the clock goes forward on 2026-03-29, so Monday 00:30 is 22:30 UTC, not 23:30 as on the days before
    pytest.param(
        {"from": "2026-03-28", "to": "2026-03-31"},
        ["2026-03-28 11:00", "2026-03-29 21:30", "2026-03-29 22:30"],
        ["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"],
        id="spring",
    ),
    # and back on 2026-10-25: Sunday 23:30 is 22:30 UTC, which was Monday's on the days before
    pytest.param(
        {"from": "2026-10-24", "to": "2026-10-27"},
        ["2026-10-24 10:00", "2026-10-25 22:30", "2026-10-25 23:30"],
        ["2026-10-23T22:00", "2026-10-24T22:00", "2026-10-25T23:00", "2026-10-26T23:00"],
        id="autumn",
    ),
]


@pytest.mark.parametrize(("asked", "told", "days"), NIGHTS)
def test_half_past_midnight_on_monday_is_monday(
    place: Place, asked: dict[str, Any], told: list[str], days: list[str]
) -> None:
    """One event on Saturday, one in Sunday's last hour by one person, one at 00:30 on Monday by another."""
    saturday, sunday, monday = told
    project = place.tell([ev("u", saturday), ev("v", sunday), ev("u", monday)], BERLIN)
    starts = [f"{day}:00.000Z" for day in days]

    (series,) = place.ask(trends, project, asked)["series"]
    assert [(point["at"], point["value"]) for point in series["points"]] == list(zip(starts, [1, 1, 1, 0], strict=True))
    (series,) = place.ask(trends, project, asked, interval="week")["series"]
    assert [point["value"] for point in series["points"]] == [2, 1]

    cohorts = place.ask(retention, project, asked, period="day")["cohorts"]
    assert [(cohort["at"], cohort["returned"]) for cohort in cohorts] == list(
        zip(starts, [[1, 0, 1, 0], [1, 0, 0], [0, 0], [0]], strict=True)
    )

    periods = place.ask(sessions, project, asked)["periods"]
    assert [(period["at"], period["count"]) for period in periods] == list(zip(starts, [1, 1, 1, 0], strict=True))

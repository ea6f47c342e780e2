"""Which types of event there are, how many of each, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.listed import Listed, of_person, read_listed, wanted
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import asking
from quadra.core.given import Given
from quadra.core.runtime import Runtime

LIMIT, LIMIT_MOST = 100, 1_000


@dataclass(frozen=True)
class EventTypes:
    listed: Listed
    limit: int


def read(given: Given, project: Project) -> EventTypes:
    types = EventTypes(read_listed(given, project), given.number("limit", LIMIT, 1, LIMIT_MOST))
    given.check()
    return types


def answer(runtime: Runtime, types: EventTypes) -> dict[str, Any]:
    with asking(runtime, types.listed.question) as ask:
        params = Parameters()
        source, where = of_person(ask, types.listed, params), wanted(types.listed, params)
        found = ask.rows(
            f"""
            SELECT event_type, count(*) AS count, favg(duration_ms) AS avg_duration_ms,
                CAST(sum(count(*)) OVER () AS BIGINT) AS total
            FROM {source} WHERE {where} GROUP BY event_type
            ORDER BY count DESC, event_type LIMIT {params.add(types.limit)}""",
            params,
        )
        total = found[0]["total"] if found else 0
        return ask.told(
            event_types=[{name: value for name, value in row.items() if name != "total"} for row in found],
            total_events=total,
        )

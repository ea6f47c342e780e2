"""The field says that traffic is not what is normal here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import NEW_FOR, Found, Kind, Look
from quadra.core import clock
from quadra.core.api.params import says
from quadra.insights.anomalies import TRAFFIC, Anomaly, anomalies_since


class When(Struct, kw_only=True):
    signal: Annotated[
        str | None,
        says(
            "Only of this: events, people, errors, latency, ai_cost, goal:<id>, or traffic (what it is made of).",
            "events",
        ),
    ] = None


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    anomalies: Sequence[Anomaly] = at.once(("anomalies", project.id), lambda: _recent(at, project))
    return [
        Found(
            subject=one.id,
            value=one.value,
            threshold=one.expected[1],
            message=one.summary,
            figures={"signal": one.signal, "since": clock.iso(one.since), "expected": list(one.expected)},
            page="insights",
            happened=one.until,
        )
        for one in anomalies
        if when.signal in (None, one.signal)
    ]


def _recent(at: Look, project: Project) -> list[Anomaly]:
    """Batches do not say that traffic is normal again: such an anomaly is over when no batch showed it for a while."""
    with at.runtime.database.read() as session:
        found = anomalies_since(session, project.id, at.at - NEW_FOR)
    return [one for one in found if one.going_on or one.signal == TRAFFIC]


KIND = Kind(name="anomaly", says="The field found an anomaly.", When=When, look=look)

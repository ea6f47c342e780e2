"""An error that was never seen before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import NEW_FOR, Found, Kind, Look, Query, range_params
from quadra.analytics.lenses.errors import ErrorGroup, ids_in_range
from quadra.core import clock
from quadra.core.runtime import Runtime

GROUPS_MOST = 1_000
KNOWN_MOST = 100_000


class When(Struct, kw_only=True):
    """It takes nothing."""


class Known:
    """Groups of errors that this process found to be old, so that history is asked about each only once."""

    def __init__(self, _runtime: Runtime):
        self.old: dict[int, set[str]] = {}


def look(at: Look, project: Project, _when: When) -> Sequence[Found]:
    found: list[Found] = at.once(("new errors", project.id), lambda: _look(at, project))
    return found


def _look(at: Look, project: Project) -> list[Found]:
    end, start = at.end, at.at - NEW_FOR
    old = at.runtime.the(Known).old.setdefault(project.id, set())
    if len(old) > KNOWN_MOST:
        old.clear()
    if not ids_in_range(at.runtime, Query("errors", {}, start, end).read(project), at.moment(project)) - old:
        return []
    answer = at.ask(project, Query("errors", {"limit": GROUPS_MOST}, start, end))
    fresh = [group for group in answer.groups if group.first_seen >= clock.iso(start - timedelta(minutes=1))]
    old.update(group.group_id for group in answer.groups if group not in fresh)
    return [_found(group, range_params(start, end)) for group in fresh]


def _found(group: ErrorGroup, params: dict[str, str]) -> Found:
    return Found(
        subject=group.group_id,
        value=float(group.count),
        message=f"New error: {group.error_type}: {group.message[:300]} ({group.count} times, {group.users} people).",
        figures={"error_type": group.error_type, "first_seen": group.first_seen, "endpoint": group.endpoint},
        page="errors",
        params=params,
        happened=datetime.fromisoformat(group.first_seen),
    )


KIND = Kind(name="new_error", says="An error of a type and message that were never seen before.", When=When, look=look)

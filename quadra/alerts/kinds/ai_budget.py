"""Calls of language models cost more than a budget."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import Found, Kind, Look, range_params
from quadra.core import clock
from quadra.core.api.params import says


class When(Struct, kw_only=True):
    usd: Annotated[float, says("The budget.", 50.0)]
    per: Annotated[Literal["day", "month"], says("In the project's time zone.")]
    user_id: Annotated[str | None, says("Only what this person's calls cost.")] = None


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    start = at.at.astimezone(zoneinfo.ZoneInfo(project.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    if when.per == "month":
        start = start.replace(day=1)
    params = {} if when.user_id is None else {"where": {"user_id": when.user_id}}
    spent = float(at.ask(project, "ai", params, start, at.end).totals.cost_usd)
    if spent <= when.usd:
        return []
    who = f" by {when.user_id}" if when.user_id else ""
    return [
        Found(
            subject=f"{start:%Y-%m-%d}",
            value=round(spent, 6),
            threshold=when.usd,
            message=f"AI calls{who} cost {spent:.2f} USD this {when.per}, more than {when.usd:g}.",
            figures={"since": clock.iso(start)},
            page="ai",
            params=range_params(start, at.end),
        )
    ]


KIND = Kind(name="ai_budget", says="AI calls cost more than a budget.", When=When, look=look)

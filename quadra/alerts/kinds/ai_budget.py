"""Calls of language models cost more than a budget."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import Found, Kind, Look, Query, range_params
from quadra.core import clock
from quadra.core.api.params import says


class When(Struct, kw_only=True):
    usd: Annotated[float, says("The budget.", 50.0)]
    per: Annotated[Literal["day", "month"], says("In the project's time zone.")]
    user_id: Annotated[str | None, says("Only what this person's calls cost.")] = None


def queries(at: Look, project: Project, when: When) -> Sequence[Query]:
    """The sum that the lens `ai` calls `totals.cost_usd`, as a question that is answered together with others."""
    where = {"kind": "ai"} | ({} if when.user_id is None else {"user_id": when.user_id})
    params = {"aggregate": "sum", "property": "cost_usd", "where": where, "interval": "whole"}
    return [Query("trends", params, _start(at, project, when), at.end)]


def _start(at: Look, project: Project, when: When) -> datetime:
    start = at.at.astimezone(zoneinfo.ZoneInfo(project.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return start.replace(day=1) if when.per == "month" else start


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    start = _start(at, project, when)
    (query,) = queries(at, project, when)
    spent = float(at.ask(project, query).series[0].points[0].value)
    if spent <= when.usd:
        return []
    who = f" by {when.user_id}" if when.user_id else ""
    return [
        Found(
            subject=f"{start:%Y-%m-%d}",
            value=round(spent, 6),
            threshold=when.usd,
            message=f"AI calls{who} cost {spent:.2f} USD this {when.per}, more than {when.usd:g}.",
            figures={"since": clock.iso(start)} | ({"user_id": when.user_id} if when.user_id else {}),
            page="ai",
            params=range_params(start, at.end),
        )
    ]


KIND = Kind(name="ai_budget", says="AI calls cost more than a budget.", When=When, look=look, queries=queries)

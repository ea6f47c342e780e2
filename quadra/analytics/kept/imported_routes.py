"""The door of imported daily totals: what another tool counted, shown as that and mixed with nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from msgspec import Struct

from quadra.accounts.access import require_project
from quadra.accounts.params import OF_KEY
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Invalid
from quadra.core.web.http import runtime
from quadra.ingest.tables import ImportedTotal


class WhichTotals(Struct, kw_only=True, rename={"from_": "from"}):
    from_: Annotated[str | None, says("Only from this day on.", "2026-01-01")] = None
    to: Annotated[str | None, says("Only through this day.", "2026-01-31")] = None
    tool: Annotated[str | None, says("Only of this one: plausible or ga4.", "plausible")] = None
    report: Annotated[
        str, says("The names of its dimensions with commas between; left out: the totals of each day.", "source")
    ] = ""
    project: Annotated[str | None, OF_KEY] = None
    limit: Annotated[int, within(1, 1_000, "The latest so many.")] = 1_000


class ShownTotal(Struct, kw_only=True):
    day: Annotated[str, says("In the time zone that the tool counted in.")]
    tool: str
    report: str
    dimensions: dict[str, str]
    metrics: Annotated[dict[str, float], says("As the tool names them. People of several days must not be added up.")]
    imported_at: Time


class ShownTotals(Struct, kw_only=True):
    totals: list[ShownTotal]
    reports: Annotated[list[str], says("All that were imported for the project.")]


doors = Doors("imported", __name__)
WHICH = Params(WhichTotals)


@doors(
    "GET",
    "/api/imported-totals",
    title="List imported daily totals",
    says="What another tool counted before. No lens reads them: they are nobody's events.",
    answers=ShownTotals,
    answer_says="In the order of days.",
    asks=WHICH,
    needs="viewer",
    refuses=(404,),
)
def list_imported(asked: WhichTotals) -> ShownTotals:
    project = require_project(asked.project, "viewer")
    mine = ImportedTotal.project_id == project.id
    query = sa.select(ImportedTotal).where(mine, ImportedTotal.report == asked.report)
    if asked.tool is not None:
        query = query.where(ImportedTotal.tool == asked.tool)
    if asked.from_ is not None:
        query = query.where(ImportedTotal.day >= _day("from", asked.from_))
    if asked.to is not None:
        query = query.where(ImportedTotal.day <= _day("to", asked.to))
    latest = query.order_by(ImportedTotal.day.desc(), ImportedTotal.id).limit(asked.limit)
    with runtime().database.read() as session:
        rows = session.scalars(latest).all()
        reports = session.scalars(sa.select(ImportedTotal.report).where(mine).distinct()).all()
        return ShownTotals(totals=[_shown(row) for row in reversed(rows)], reports=sorted(reports))


def _shown(row: ImportedTotal) -> ShownTotal:
    return ShownTotal(
        day=row.day,
        tool=row.tool,
        report=row.report,
        dimensions=row.dimensions,
        metrics=row.metrics,
        imported_at=clock.iso(row.imported_at),
    )


def _day(name: str, text: str) -> str:
    """The day of a date or a moment. Raises `Invalid`."""
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise Invalid("There are no such days.", fields={name: "a day such as 2026-01-31"}) from None

"""The SQL of the reports, for people who want to run it elsewhere: with its parameters, as it is asked here.

Nothing is written down twice: the lenses are asked with nothing to look at, and what they ask is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics import asking
from quadra.analytics.routes import FUNNELS
from quadra.analytics.views.ready_reports import READY
from quadra.core.given import given_of
from quadra.core.runtime import Runtime
from quadra.warehouse.look import Noted, noting

RELATION = """CREATE VIEW all_events AS
SELECT *, epoch_us(occurred_at) AS occurred_us, epoch_us(received_at) AS received_us
FROM read_parquet('segments/{project}/*/*.parquet')"""
"""Over a copy of the segments."""
STEPS = [{"event": "the first step"}, {"event": "the second step"}]


@dataclass(frozen=True)
class Reports:
    project: Project
    params: dict[str, list[str]]
    """As they stand in an address."""
    lenses: tuple[str, ...]


def read(params: dict[str, list[str]], project: Project) -> Reports:
    """Without a `lens` all of them, as they are asked without parameters of their own."""
    given = given_of([(name, value) for name, values in params.items() for value in values])
    lens = given.choice("lens", asking.lenses(), "")
    given.check()
    common = {name: value for name, value in params.items() if name not in ("lens", "project")}
    return Reports(project, common, (lens,) if lens else asking.lenses())


def answer(runtime: Runtime, reports: Reports) -> dict[str, Any]:
    return {
        "setup": RELATION.format(project=reports.project.id),
        "queries": [_report(runtime, reports, lens) for lens in reports.lenses],
        "reports": [report.shown(reports.project.slug) for report in READY],
    }


def _report(runtime: Runtime, reports: Reports, lens: str) -> dict[str, Any]:
    params: dict[str, Any] = dict(reports.params)
    if lens == FUNNELS:  # which an address cannot hold
        params = {name: values[-1] for name, values in params.items()} | {"steps": STEPS}
    asked = asking.read_asked(lens, params, reports.project)
    with noting() as notes:
        asked.of(runtime)
    return {"lens": lens, "statements": [_statement(note) for note in notes]}


def _statement(note: Noted) -> dict[str, Any]:
    """On its own: `events` are those of the range."""
    span, sql = note.span, dedent(note.sql).strip()
    bounds = ((">=", span.start_us), ("<", span.end_us))
    where = " AND ".join(f"occurred_us {sign} {us}" for sign, us in bounds if us is not None) or "true"
    events = f"events AS (SELECT * FROM all_events WHERE {where})"
    rest = f", {sql[5:]}" if sql.startswith("WITH ") else f" {sql}"
    return {"sql": f"WITH {events}{rest}", "parameters": dict(note.params)}

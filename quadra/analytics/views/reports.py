"""The SQL of the reports, for people who want to run it elsewhere: with its parameters, as it is asked here.

Nothing is written down twice: each lens says what it asks.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import LENSES
from quadra.analytics.questions.lens import Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import Statement as Asked
from quadra.analytics.questions.snapshot import told_by
from quadra.analytics.questions.trait_columns import traits_in, traits_sql
from quadra.analytics.views.ready_reports import READY
from quadra.core.api.raw_params import RawParams, raw_params
from quadra.core.runtime import Runtime
from quadra.warehouse.query.span import Range

RELATION = """CREATE VIEW all_events AS
SELECT *, epoch_us(occurred_at) AS occurred_us, epoch_us(received_at) AS received_us
FROM read_parquet('segments/{project}/*/*.parquet', union_by_name = true)"""
"""Over a copy of the segments."""
SHOWN = {lens.path: lens for lens in LENSES}
STEPS = [{"event": "the first step"}, {"event": "the second step"}]


class Statement(Struct, kw_only=True):
    sql: str
    parameters: dict[str, Any]


class LensSql(Struct, kw_only=True):
    lens: str
    statements: list[Statement]


class ReadyReport(Statement, kw_only=True):
    name: str
    says: str


class ReportQueries(Struct, kw_only=True):
    setup: str
    queries: list[LensSql]
    reports: list[ReadyReport]


def reports(runtime: Runtime, params: dict[str, list[str]], project: Project) -> ReportQueries:
    """Of one `lens` with its own parameters; without, of all of them as they are asked with what is common to all."""
    raw = raw_params([(name, value) for name, values in params.items() for value in values])
    lens = raw.choice("lens", tuple(SHOWN), "")
    if not lens:
        raw.refuse_unknown(("lens", *Asks().names))
    raw.check()
    rest = {name: value for name, value in params.items() if name not in ("lens", "project")}
    return ReportQueries(
        setup=RELATION.format(project=project.id),
        queries=[_report(runtime, each, rest, project) for each in ([SHOWN[lens]] if lens else LENSES)],
        reports=[ReadyReport(**report.shown(project.slug)) for report in READY],
    )


def _report(runtime: Runtime, lens: Lens[Any, Any], params: dict[str, list[str]], project: Project) -> LensSql:
    if lens.in_body:  # which an address cannot hold
        raw = RawParams.of_body({name: values[-1] for name, values in params.items()} | {"steps": STEPS})
    else:
        raw = raw_params([(name, value) for name, values in params.items() for value in values])
    asked = lens.loaded(runtime, lens.read(raw, project))
    span = lens.range(asked)
    return LensSql(
        lens=lens.path, statements=[_statement(each, span, asked.question) for each in lens.statements(asked)]
    )


def _statement(asked: Asked, span: Range, question: Question) -> Statement:
    """On its own: `events` are those of the range, and of the people of the segment, with the traits that are named."""
    sql = dedent(asked.sql).strip()
    bounds = ((">=", span.start_us), ("<", span.end_us))
    where = " AND ".join(f"occurred_us {sign} {us}" for sign, us in bounds if us is not None) or "true"
    params = Parameters(prefix="s")
    of_segment = (
        "" if question.people is None else question.people.sql(question.range, Parameters(), question.include_bots)
    )
    traits = sorted({*traits_in(sql), *traits_in(of_segment)})
    source, relations = "all_events", ""
    if traits:
        told, paths = traits_sql(traits, told_by(question), source)
        params |= paths
        known = "SELECT * FROM all_events LEFT JOIN traits_of_people USING (person)"
        source = "known_events"
        relations = f"traits_of_people AS ({told}), {source} AS ({known}), "
    if question.people is not None:
        members = question.people.sql(question.range, params, question.include_bots, source)
        where += f" AND person IN ({members})"
    events = f"{relations}events AS (SELECT * FROM {source} WHERE {where})"
    rest = f", {sql[5:]}" if sql.startswith("WITH ") else f" {sql}"
    return Statement(sql=f"WITH {events}{rest}", parameters={**asked.params, **params})

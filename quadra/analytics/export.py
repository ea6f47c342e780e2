"""Export: the events themselves, as of one moment, in a file for a spreadsheet, a program or another engine.

Whoever asked to be erased is not in it, even before their erasure was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Literal, get_args

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.analytics.kept.segments import segment_of
from quadra.analytics.questions.lens import Asked
from quadra.analytics.questions.matching import Match, Parameters
from quadra.analytics.questions.question import Asks
from quadra.core import clock
from quadra.core.api.params import Params, says
from quadra.core.api.raw_params import RawParams
from quadra.core.runtime import Runtime
from quadra.ingest.kinds import KINDS
from quadra.warehouse.columns import FLAGS, FLOATS, JSONS, OUTSIDE, TIMES
from quadra.warehouse.query.duck import quoted
from quadra.warehouse.tables import Erasure

Format = Literal["csv", "json", "ndjson", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
COLUMNS = OUTSIDE
PLAIN = (*FLOATS, *FLAGS)
"""Numbers and booleans: nothing that a spreadsheet could take for a formula."""
FORMULA = r"^'*[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
"""What spreadsheets take for the beginning of one; the last four are the wide forms of the first. Apostrophes before it
count too: one more is put before all of them, and the import takes one away."""
TIME = "'%Y-%m-%dT%H:%M:%S.%fZ'"


class Export(Asked, kw_only=True, frozen=True):
    format: Format = FORMATS[0]
    kind: Annotated[tuple[str, ...], says(f"One or some, with commas, of {', '.join(KINDS)}.", "page")] = ()
    event: Annotated[str | None, says("Its name. Left out: any event.", "page_view")] = None

    def check(self, raw: RawParams) -> None:
        if not set(self.kind) <= set(KINDS):
            raw.wrong["kind"] = "one or some of " + ", ".join(KINDS)

    @property
    def name(self) -> str:
        """Of the file: from the first day to the last, in the time zone of the question."""
        calendar = self.question.calendar
        first, last = calendar.day_of(self.question.start_us), calendar.day_of(self.question.end_us - 1)
        return f"quadra-{self.project.slug}-{first}-{last}.{self.format}"


ASKS = Asks()
OWN = Params(Export, without=("question", "project", "goals"))
NAMES = (*OWN.names, *ASKS.names)


def read(raw: RawParams, project: Project) -> Export:
    """Raises `Invalid`, naming every wrong field."""
    raw.refuse_unknown(NAMES)
    values = OWN.read(raw)
    asked = Export(question=ASKS.read(raw, project), project=project, **values)
    asked.check(raw)
    raw.check()
    return asked


def loaded(runtime: Runtime, export: Export) -> Export:
    """With the segment that it names. Raises `NotFound`."""
    question = export.question
    if question.segment is None:
        return export
    people = segment_of(runtime, question.project_id, question.segment)
    return structs.replace(export, question=replace(question, people=people))


def unerased(session: Session, project_id: int) -> list[tuple[str, int]]:
    """(user id, until when received) of the erasures that are not done yet."""
    waiting = sa.and_(Erasure.project_id == project_id, Erasure.done_at.is_(None))
    found = session.execute(sa.select(Erasure.user_id, Erasure.requested_at).where(waiting))
    return [(user_id, clock.to_us(at + timedelta(milliseconds=1))) for user_id, at in found]


def sql(export: Export, params: Parameters, erased: Sequence[tuple[str, int]]) -> str:
    """One row an event, in the form its format needs: for JSON one text, for the others columns."""
    said = [Match(export.event).sql(params), Match(where=export.question.where).sql(params)]
    if export.kind:
        said.append(f"list_contains({params.add(list(export.kind))}, kind)")
    if export.question.include_bots is False:
        said.append("NOT bot")
    beside = ""
    if erased:
        # two parameters, however many there are: what planning takes grows with the statement
        users, untils = (params.add(list(column)) for column in zip(*erased, strict=True))
        beside = (
            f"WITH wishes AS (SELECT unnest({users}) AS id, unnest({untils}) AS until_us), erased AS ("
            "SELECT coalesce(people.person, wishes.id) AS person, max(until_us) AS until_us "
            "FROM wishes LEFT JOIN people ON people.id = wishes.id GROUP BY ALL) "
        )
        said.append("received_us > coalesce((SELECT until_us FROM erased WHERE erased.person = events.person), -1)")
    where = f"FROM events WHERE {' AND '.join(said)}"
    if export.format == "parquet":
        columns = (f'{column} AS "{name}"' for name, column in COLUMNS.items())
        return f"{beside}SELECT {', '.join(columns)} {where}"
    made = _for_spreadsheets() if export.format == "csv" else [f"{as_json()} AS line"]
    return f"{beside}SELECT {', '.join(made)} {where} ORDER BY occurred_us, event_id"


def _for_spreadsheets() -> Iterable[str]:
    for name, column in COLUMNS.items():
        if column in TIMES:
            yield f'strftime(CAST({column} AS TIMESTAMP), {TIME}) AS "{name}"'
        elif column in PLAIN:
            yield f'{column} AS "{name}"'
        else:
            yield f"CASE WHEN regexp_matches({column}, {quoted(FORMULA)}) THEN '''' || {column} ELSE {column} END AS \"{name}\""


def as_json() -> str:
    """Objects go through as they were stored: numbers in them keep every digit."""
    parts = []
    for name, column in COLUMNS.items():
        value = column if column in JSONS else f"CAST(to_json({column}) AS VARCHAR)"
        if column in TIMES:
            value = f"'\"' || strftime(CAST({column} AS TIMESTAMP), {TIME}) || '\"'"
        parts.append(f"""'"{name}":', coalesce({value}, 'null')""")
    between = ", ',', "
    return f"concat('{{', {between.join(parts)}, '}}')"

"""A statement of an editor as a lens: it has a door, is kept in views and shown by share links as every question is."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct

from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement
from quadra.analytics.sql.asking import ask_apart
from quadra.core.api.params import says, within
from quadra.core.api.raw_params import RawParams

SQL_MOST = 20_000


class Params(Asked, kw_only=True, frozen=True):
    """Beside these a body takes what every question takes, but for filters."""

    sql: Annotated[
        str, says("One SELECT of DuckDB over the relation `events`.", "SELECT kind, count(*) FROM events GROUP BY 1")
    ]
    limit: Annotated[int, within(1, 10_000, "How many rows.")] = 1_000

    def check(self, raw: RawParams) -> None:
        if not self.sql.strip() or len(self.sql) > SQL_MOST or "\x00" in self.sql:
            raw.wrong["sql"] = f"1 to {SQL_MOST} characters"
        if self.question.where:
            raw.wrong["where"] = "left out: write it into the statement"
        if self.question.include_bots is not None:
            raw.wrong["include_bots"] = "left out: the column bot says it"


class SqlColumn(Struct, kw_only=True):
    name: str
    type: str


class SqlAnswer(Measured, kw_only=True):
    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool
    """Whether there are more rows than these."""


def answer(events: Snapshot, asked: Params) -> SqlAnswer:
    found = ask_apart(events.runtime.settings, events.look, asked.sql, asked.limit)
    columns = [SqlColumn(**column) for column in found["columns"]]
    return SqlAnswer(columns=columns, rows=found["rows"], truncated=found["truncated"], **events.measures())


LENS = Lens(
    path="sql",
    title="SQL",
    says="A statement over the columns of docs/warehouse.md, of the range's events alone. Anything but one SELECT over `events` "
    "is refused, and bounds on time, memory and rows hold.",
    group=QUESTIONS,
    needs="editor",
    Params=Params,
    Answer=SqlAnswer,
    statements=lambda asked: [Statement(asked.sql, {})],
    answer=answer,
    in_body=True,
)

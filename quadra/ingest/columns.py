"""The columns of an event, told once: `Row` is the table of them.

From it come the table in the database, the inserters' statements, the schema of segments, and the names of exports, answers
and filters. A new column is one line here and a migration. With `sent=True` senders may give it under its own name; with
`later=True` segments that were written before it are read as if it were empty, and so it must be one that may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import sqlalchemy as sa

from quadra.core.database import Instant, JsonText, Text, name_column


@dataclass(frozen=True)
class Kept:
    """How a column is kept and called."""

    sql: Any
    """Its type in the database."""
    outside: str | None = None
    """What exports and answers call it, where that is another name."""
    key: bool = False
    sent: bool = False
    later: bool = False


Flag = Annotated[bool | None, Kept(sa.Boolean())]
Float = Annotated[float | None, Kept(sa.Double())]
Json = Annotated[msgspec.Raw | None, Kept(JsonText())]
Time = Annotated[int, Kept(Instant())]
Url = Annotated[str | None, Kept(Text)]
SentWord = Annotated[str | None, Kept(sa.String(64), sent=True)]
Id = Annotated[str | None, Kept(name_column(200))]


class Row(msgspec.Struct, omit_defaults=True):
    """An accepted event, field for column; times in microseconds since 1970."""

    project_id: Annotated[int, Kept(sa.Integer(), key=True)]
    event_id: Annotated[str, Kept(name_column(128), key=True)]
    kind: Annotated[str, Kept(sa.String(16))]
    name: Annotated[str, Kept(name_column(200), outside="event_name")]
    """`event_name` where it was given, else `event_type`."""
    event_type: Annotated[str, Kept(name_column(200))]
    occurred_at: Time
    received_at: Time
    category: Annotated[str | None, Kept(sa.String(200), outside="event_category")] = None
    user_id: Id = None
    """The user id, else the anonymous id."""
    anonymous_id: Id = None
    session_id: Id = None
    page_url: Url = None
    page_title: Url = None
    referrer: Url = None
    device_type: Annotated[str | None, Kept(sa.String(16), sent=True)] = None
    browser: SentWord = None
    os: SentWord = None
    language: Annotated[str | None, Kept(sa.String(35), sent=True, later=True)] = None
    """Of the reader, such as `de-AT`."""
    screen: Annotated[str | None, Kept(sa.String(32), sent=True, later=True)] = None
    """Its size, such as `1920x1080`."""
    country: Annotated[str | None, Kept(sa.String(2), later=True)] = None
    """Of the address at receipt, by its ISO code. The address itself is nowhere."""
    region: Annotated[str | None, Kept(sa.String(100), later=True)] = None
    page_query: Annotated[str | None, Kept(sa.String(500), sent=True, later=True)] = None
    """The parameters of the address that name a page of their own, as `data-query` of the tracker keeps them: `id=7`."""
    door: Annotated[str | None, Kept(sa.String(16), later=True)] = None
    """How it came in: `http`, `socket`, `segment`, `import`, …"""
    duration_ms: Float = None
    value: Float = None
    """The kind's number: survey score, AI cost in USD, metric value."""
    success: Flag = None
    bot: Annotated[bool, Kept(sa.Boolean())] = False
    fields: Json = None
    """The typed fields of the kind that have no column of their own, in snake_case."""
    properties: Json = None
    """What the sender added, as it came."""


@dataclass(frozen=True)
class Column:
    """One of them, as those who derive from the table need it."""

    name: str
    outside: str
    type: type
    """`str`, `int` (times and the project), `float`, `bool`, or `msgspec.Raw` for JSON."""
    nullable: bool
    kept: Kept

    @property
    def is_time(self) -> bool:
        return isinstance(self.kept.sql, Instant)

    @property
    def sent_type(self) -> Any:
        """What a sender may give, in the bounds of the column."""
        if self.type is str:
            return Annotated[str, msgspec.Meta(max_length=getattr(self.kept.sql, "length", None) or 8 * 1024)]
        return Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)] if self.type is float else self.type


def _column(name: str, hint: Any) -> Column:
    plain, kept = get_args(hint)
    options = get_args(plain) or (plain,)
    return Column(name, kept.outside or name, options[0], type(None) in options, kept)


def _columns() -> tuple[Column, ...]:
    found = [_column(name, hint) for name, hint in get_type_hints(Row, include_extras=True).items()]
    times = [column for column in found if column.is_time]  # a struct wants what is required first, files do not
    rest = [column for column in found if not column.is_time]
    place = [column.name for column in rest].index("session_id") + 1
    return (*rest[:place], *times, *rest[place:])


COLUMNS = _columns()
"""In the order in which files and answers have them."""
SENT = tuple(column for column in COLUMNS if column.kept.sent)


def in_database(column: Column) -> sa.Column[Any]:
    return sa.Column(
        column.name,
        column.kept.sql,
        nullable=column.nullable,
        primary_key=column.kept.key,
        autoincrement=False,
        default=False if column.type is bool and not column.nullable else None,
    )

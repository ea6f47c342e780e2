"""`--map event=name,user=uid,time=ts`: which column of a table is which field of an event."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from quadra.core.errors import Invalid
from quadra.ingest.kinds import FIELDS

SHORT = {
    "event": "event_type",
    "user": "user_id",
    "visitor": "anonymous_id",
    "session": "session_id",
    "id": "event_id",
    "url": "page_url",
    "title": "page_title",
    "time": "timestamp",
}
"""What people call our fields."""
KNOWN = (*SHORT, *FIELDS)


@dataclass(frozen=True)
class Mapped:
    fields: Mapping[str, str]
    """Column -> field."""
    time: str | None
    """The column that says when."""


def read(text: str | None, time_column: str | None = None) -> Mapped:
    """Raises `Invalid`, naming every part that is wrong."""
    found: dict[str, str] = {}
    wrong: list[str] = []
    for part in (text or "").split(",") if text is not None else ():
        name, equals, column = (word.strip() for word in part.partition("="))
        field = SHORT.get(name, name)
        if not (name and equals and column):
            wrong.append(f"{part.strip()!r} is not FIELD=COLUMN")
        elif field not in FIELDS:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            wrong.append(f"there is no field {name}" + (f" ({near[0]} is near)" if near else ""))
        elif field in found.values() or column in found or (field == "timestamp" and time_column):
            wrong.append(f"{name}={column} says something twice")
        else:
            found[column] = field
    if wrong:
        raise Invalid(f"--map cannot be read: {'; '.join(wrong)}. Such as --map event=name,user=uid,time=ts.")
    time = next((column for column, field in found.items() if field == "timestamp"), time_column)
    return Mapped({column: field for column, field in found.items() if field != "timestamp"}, time)

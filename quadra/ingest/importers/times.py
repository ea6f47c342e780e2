"""When a row of a file happened. A row whose time is not known is refused: it is not of now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from quadra.core.errors import Invalid
from quadra.core.names import snake_case
from quadra.ingest.wire import Refused

NAMES = ("timestamp", "time", "occurred_at", "datetime", "created_at", "date")
"""What a row may call its time: the first that is there."""


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """`Created At`, `createdAt` and `$created-at` as `created_at`."""
    return re.sub(r"[\s-]+", "_", snake_case(name.strip().lstrip("$")))


def is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


@dataclass(frozen=True)
class Times:
    """Where the rows of a file say when they happened."""

    column: str | None = None
    """The name that was asked for; without one, the first of `NAMES` that a row has."""
    or_now: bool = False
    """Rows without a time are dated by the import, because the user said so."""

    def place(self, header: Sequence[str], source: str) -> int | None:
        """Which column of a table it is. Raises `Invalid` where none is and the user did not say that this is right."""
        plain = [name.strip() for name in header]
        if self.column is not None and self.column in plain:
            return plain.index(self.column)
        known = [plain_name(name) for name in plain]
        if self.column is None and (found := next((name for name in NAMES if name in known), None)) is not None:
            return known.index(found)
        if self.column is None and self.or_now:
            return None
        what = "says when" if self.column is None else f"is called {self.column}"
        raise Invalid(
            f"No column of {source} {what}. It has: {', '.join(plain)[:300]}. "
            "Name the one with the time with --time-column NAME, or date all rows at the import with --undated-now."
        )

    def of(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An object with its time as `timestamp`. Raises `Refused`."""
        known = {name if self.column else plain_name(name): name for name in event}
        for wanted in NAMES if self.column is None else (self.column,):
            name = known.get(wanted)
            if name is not None and not is_blank(event[name]):
                rest = {other: value for other, value in event.items() if other != name}
                if "timestamp" in rest:
                    rest["other_timestamp"] = rest.pop("timestamp")
                return {**rest, "timestamp": event[name]}
        return self.required(dict(event))

    def required(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields that must have a `timestamp`. Raises `Refused`."""
        if not is_blank(fields.get("timestamp")):
            return fields
        if self.or_now:
            return {name: value for name, value in fields.items() if name != "timestamp"}
        raise Refused("invalid", {self.column or "timestamp": "required: see --time-column and --undated-now"})

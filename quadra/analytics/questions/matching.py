"""Which events a question means, as SQL. Names and values of others are parameters, always."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from quadra.analytics.questions.trait_columns import COMPANY, COMPANY_SQL, OF_PERSON, column_of
from quadra.core.api.raw_params import OF_PRESENCE, Filter, Where
from quadra.ingest.kinds import KINDS, TYPED
from quadra.warehouse.columns import EMPTY_TEXTS, FLOATS, OUTSIDE, property_path

SURE = {
    "event_id": "event_id",
    "kind": "kind",
    "event_type": "event_type",
    "event_name": "name",
    "bot": "CAST(bot AS VARCHAR)",
}
"""Fields that every event has: a property of that name is not looked at."""
GUESSED = ("device_type", "browser", "os")
"""What the sender's own property says counts before what was made of its user agent."""
TEXTS = {
    **{name: column for name, column in OUTSIDE.items() if column in EMPTY_TEXTS and column not in GUESSED},
    "category": "category",
    "success": "CAST(success AS VARCHAR)",
}
"""Fields that an event may have; a property of that name counts where the field is empty."""
SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
NUMBERS = {**{name: name for name in FLOATS}, "duration_seconds": "duration_ms / 1000"}


class Parameters(dict[str, Any]):
    """The values of a statement; `add` gives the mark that stands for one in it."""

    def __init__(self, prefix: str = "p"):
        super().__init__()
        self._prefix = prefix

    def add(self, value: Any) -> str:
        name = f"{self._prefix}{len(self)}"
        self[name] = value
        return f"${name}"


@dataclass(frozen=True, slots=True)
class Match:
    """A step or a series: events of one name (None is any) that fit a filter."""

    event: str | None = None
    where: Where = ()

    def sql(self, params: Parameters) -> str:
        """A condition that is never NULL for a row that fits."""
        named = [f"name = {params.add(self.event)}"] if self.event is not None else []
        return " AND ".join([*named, *(fits(each, params) for each in self.where)]) or "true"


def no_bots(include_bots: bool | None) -> str:
    """The condition of questions that leave bots out unless they are asked for."""
    return "true" if include_bots else "NOT bot"


def people_only(include_bots: bool | None, person: str = "person") -> str:
    """The condition of questions about people: rows of nobody are nobody's, and bots are no people. Whoever counts by ids first
    names `user_id` as the `person`: it is there where that is.
    """
    return f"{person} IS NOT NULL AND {no_bots(include_bots)}"


def value_sql(prop: str, params: Parameters) -> str:
    """The value of a field or property as text; NULL where there is none."""
    if prop in SURE:
        return SURE[prop]
    if prop == COMPANY:
        return COMPANY_SQL
    if prop.startswith(OF_PERSON):
        return column_of(prop.removeprefix(OF_PERSON))
    own = _property("properties", prop, params)
    if prop in TEXTS:
        return f"coalesce({TEXTS[prop]}, {own})"
    if prop in GUESSED:
        return f"coalesce({own}, {prop})"
    if (column := _number_column(prop)) is not None:
        return f"coalesce({_as_text(column)}, {own})"
    return f"coalesce({_property('fields', prop, params)}, {own})" if prop in TYPED else own


def number_sql(prop: str, params: Parameters) -> str:
    """The value as a finite number; NULL where it is none."""
    column = _number_column(prop)
    text = _property("properties", prop, params) if column else value_sql(prop, params)
    number = f"TRY_CAST({text} AS DOUBLE)"
    finite = f"CASE WHEN isfinite({number}) THEN {number} END"
    return f"coalesce({column}, {finite})" if column else finite


def fits(wanted: Filter, params: Parameters, value: str | None = None) -> str:
    """The condition of one filter, never NULL for a row that fits. `value` says what it looks at, where that is not the field
    or property of its name.
    """
    prop, values, op = wanted
    if op in SIGNS:
        return is_beyond(number_sql(prop, params) if value is None else f"TRY_CAST({value} AS DOUBLE)", wanted, params)
    value = value_sql(prop, params) if value is None else value
    empty = f"coalesce({value}, '') = ''"
    if op in OF_PRESENCE:
        return f"NOT ({empty})" if op == "set" else f"({empty})"
    if op.endswith("contains"):
        found = " OR ".join(f"contains({value}, {params.add(each)})" for each in values)
        return f"coalesce({found}, false)" if op == "contains" else f"NOT coalesce({found}, false)"
    one_of = _is_one_of(value, values, params)
    return f"({one_of})" if op == "is" else f"NOT coalesce({one_of}, false)"


def is_beyond(number: str, wanted: Filter, params: Parameters) -> str:
    """The condition of a filter that compares numbers."""
    return f"coalesce({number} {SIGNS[wanted.op]} {params.add(float(wanted.values[0]))}, false)"


def _is_one_of(value: str, values: tuple[str, ...], params: Parameters) -> str:
    spelled = list(dict.fromkeys(each for wanted in values if wanted for each in _spellings(wanted)))
    empty = f"coalesce({value}, '') = ''"
    if not spelled:
        return empty
    if len(spelled) == 1:
        found = f"{value} = {params.add(spelled[0])}"
    else:  # one parameter, however many there are; DuckDB plans `list_contains` as a chain of comparisons
        found = f"coalesce(list_position({params.add(spelled)}, {value}), 0) > 0"
    return f"coalesce({found} OR {empty}, false)" if "" in values else found


def _spellings(wanted: str) -> tuple[str, ...]:
    """A whole number may have come as `1` or as `1.0`; which, is up to the sender's language."""
    whole = wanted.removesuffix(".0")
    return (whole, f"{whole}.0") if WHOLE.fullmatch(whole) else (wanted,)


def _property(column: str, prop: str, params: Parameters) -> str:
    return f"json_extract_string({column}, {params.add(property_path(prop))})"


def _number_column(prop: str) -> str | None:
    if prop in NUMBERS:
        return NUMBERS[prop]
    for kept, column in (("value", "value"), ("duration", "duration_ms")):
        kinds = [name for name, kind in KINDS.items() if getattr(kind, kept) == prop]
        if kinds:
            listed = ", ".join(f"'{name}'" for name in kinds)
            return f"CASE WHEN kind IN ({listed}) THEN {column} END"
    return None


def _as_text(number: str) -> str:
    """0 is "0", not "0.0"."""
    whole = f"abs({number}) < 1e15 AND {number} = trunc({number})"
    return f"CASE WHEN {whole} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE CAST({number} AS VARCHAR) END"

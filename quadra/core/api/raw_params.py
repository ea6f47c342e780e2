"""What somebody asked, parameter by parameter, from an address or a JSON body alike.

What is wrong is collected, so that an answer names every wrong field at once: read all, then `check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, NamedTuple, overload

from quadra.core.errors import Invalid
from quadra.core.names import snake_case

LONGEST = 1_000
VALUES_MOST = 100
"""Of one property."""
PROPERTIES_IN_ALL, VALUES_IN_ALL = 200, 2_000
"""Of all filters of a question, those of its steps included: what planning a statement takes grows with them."""
NAMES_MOST = 500
FIELDS_MOST = 1_000
UNKNOWN_SHOWN = 20
NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,3})?")

OPS = ("is", "is_not", "contains", "not_contains", "gt", "gte", "lt", "lte", "set", "not_set")
OF_NUMBERS = ("gt", "gte", "lt", "lte")
OF_PRESENCE = ("set", "not_set")


class Filter(NamedTuple):
    """Of `is` and `contains` one of the values must fit, of `is_not` and `not_contains` none may; "" is no value at all."""

    prop: str
    values: tuple[str, ...]
    op: str = "is"


Where = tuple[Filter, ...]
"""All of them must fit."""


class Filters:
    """How many properties and values the filters of one question have so far."""

    def __init__(self) -> None:
        self._properties, self._values = 0, 0

    def too_many(self, values: int) -> str | None:
        """Count one more property; the text of the error where there are too many in all."""
        self._properties, self._values = self._properties + 1, self._values + values
        if self._properties <= PROPERTIES_IN_ALL and self._values <= VALUES_IN_ALL:
            return None
        return (
            f"at most {PROPERTIES_IN_ALL} properties and {VALUES_IN_ALL} values in all filters of a question together"
        )


class RawParams:
    def __init__(self, values: Mapping[str, Sequence[Any]], filters: Filters | None = None):
        """`filters` is given where this is a part of a question."""
        if len(values) > FIELDS_MOST:
            raise Invalid(f"The request has more than {FIELDS_MOST} fields.")
        self._values = {_name(name): list(found) for name, found in values.items()}
        self.filters = filters or Filters()
        self.wrong: dict[str, str] = {}

    @classmethod
    def of_body(cls, body: Mapping[str, Any], filters: Filters | None = None) -> RawParams:
        """A JSON object; `{"where": {"plan": "pro"}}` is `where[plan]=pro`, `{"where": {"age": {"gt": 3}}}` is
        `where[age][gt]=3`, a list is several values.
        """
        values: dict[str, list[Any]] = {}
        for name, value in body.items():
            if isinstance(value, Mapping) and snake_case(name).endswith("where"):
                for key, inner in value.items():
                    ops = inner.items() if isinstance(inner, Mapping) else [("", inner)]
                    for op, each in ops:
                        place = f"{name}[{key}][{op}]" if isinstance(inner, Mapping) else f"{name}[{key}]"
                        values[place] = each if isinstance(each, list) else [each]
            elif value is not None:
                values[name] = [value]
        return cls(values, filters)

    def check(self, text: str = "The question cannot be answered as it is.") -> None:
        """Raises `Invalid`, naming every wrong field."""
        if self.wrong:
            raise Invalid(text, fields=self.wrong)

    def beside(self, other: RawParams) -> RawParams:
        """This, which also names what is wrong in another part of the same request."""
        self.wrong |= other.wrong
        return self

    def inner(self, item: Mapping[str, Any]) -> RawParams:
        """An object inside this request."""
        return RawParams.of_body(item, self.filters)

    def values(self) -> dict[str, list[Any]]:
        """Everything that was given, by name."""
        return {name: list(found) for name, found in self._values.items()}

    def refuse_unknown(self, known: Sequence[str], elsewhere: Sequence[str] = ()) -> None:
        """Note what has no meaning here: a mistyped name asks another question than its author meant. What has one in the
        body is in `elsewhere`.
        """
        unknown = {name.partition("[")[0] for name in self._values} - set(known)
        for name in sorted(unknown)[:UNKNOWN_SHOWN]:
            if name in elsewhere:
                self.wrong[name] = "belongs into the body, not into the address"
                continue
            near = get_close_matches(name, known, 1) if len(name) <= 64 else []
            more = f"did you mean {near[0]}?" if near else "known are " + (", ".join(known) or "none")
            self.wrong[name[:LONGEST]] = f"is not known here; {more}"

    def value_of(self, name: str) -> Any:
        """The value given, as it came; None where there is none. Of several that differ nobody knows which is meant."""
        values = self._values.get(name)
        if not values:
            return None
        if any(value != values[0] for value in values):
            self.wrong[name] = "given more than once, with different values"
        return values[0]

    def text(self, name: str) -> str | None:
        """None where it is left out or empty."""
        return self._as_text(name, self.value_of(name)) or None

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        found = self.text(name)
        if found is None or found in choices:
            return found or default
        self.wrong[name] = "one of " + ", ".join(choices)
        return default

    @overload
    def number(self, name: str, default: int, least: int | None, most: int | None) -> int: ...
    @overload
    def number(self, name: str, default: None, least: int | None, most: int | None) -> int | None: ...
    def number(self, name: str, default: int | None, least: int | None, most: int | None) -> int | None:
        text = self.text(name)
        if text is None:
            return default
        if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 16:
            number = int(text)
            if (least is None or number >= least) and (most is None or number <= most):
                return number
        self.wrong[name] = f"a number from {least} to {most}"
        return default

    def real(self, name: str, most: float | None) -> float | None:
        """None where it is left out."""
        text = self.text(name)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if isfinite(number) and not isinstance(self.value_of(name), bool) and (most is None or number <= most):
            return number
        self.wrong[name] = "a number" if most is None else f"a number up to {most:g}"
        return None

    def flag(self, name: str) -> bool | None:
        """None where it is left out."""
        text = self.text(name)
        if text is None:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            self.wrong[name] = "true or false"
        return text.lower() in ("true", "1")

    def names(self, name: str) -> tuple[str, ...]:
        """`a,b` or several times; empty where it is left out."""
        parts: list[str] = []
        for value in self._values.get(name, []):
            each = value if isinstance(value, list) else self._as_text(name, value).split(",")
            if isinstance(value, list) and any(part in (None, "") for part in each):
                self.wrong[name] = "a list of texts, none of them empty"  # an empty one may lift a limit, as of origins
            parts += [self._as_text(name, part) for part in each]
        if len(parts) > NAMES_MOST:
            self.wrong[name] = f"at most {NAMES_MOST} names"
            return ()
        return tuple(dict.fromkeys(part for part in parts if part))

    def where(self, prefix: str = "where") -> Where:
        """`where[plan]=pro`, `where[age][gt]=3`, several; the same several times is any of the values."""
        filters: list[Filter] = []
        for name, values in self._values.items():
            if name == prefix and values != [[]]:
                self.wrong[name] = f"written {prefix}[property]=value"
            if not name.startswith(f"{prefix}["):
                continue
            prop, inner, op = name.removeprefix(f"{prefix}[").removesuffix("]").partition("][")
            written = name.endswith("]") and prop and len(name) <= LONGEST
            if not written or len(values) > VALUES_MOST or not values:
                self.wrong[name[:LONGEST]] = f"written {prefix}[property]=value or {prefix}[property][operator]=value"
                continue
            if inner and op not in OPS:
                self.wrong[name] = "is no operator; known are " + ", ".join(OPS)
                continue
            if (text := self.filters.too_many(len(values))) is not None:
                self.wrong[name] = text
                return ()
            each = tuple(self._as_text(name, value) for value in values)
            if (text := _unfit(op, each)) is not None:
                self.wrong.setdefault(name, text)
            filters.append(Filter(self._as_text(name, prop), each, op or "is"))
        return tuple(filters)

    def _as_text(self, name: str, value: Any) -> str:
        try:
            return text_of(value)
        except ValueError:
            self.wrong[name] = f"a text, number or boolean of at most {LONGEST} characters"
            return ""


def _unfit(op: str, values: tuple[str, ...]) -> str | None:
    """What is wrong about the values of an operator."""
    if op in OF_PRESENCE:
        return None if values == ("true",) else "true"
    if op in OF_NUMBERS:
        return None if len(values) == 1 and number_of(values[0]) is not None else "one number"
    return "a text that is not empty" if op.endswith("contains") and "" in values else None


def number_of(text: str) -> float | None:
    """A finite number as senders write them."""
    if not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if isfinite(number) else None


def text_of(value: Any) -> str:
    """As values of properties are compared: numbers and booleans become text. Raises ValueError."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float) or len(text := str(value)) > LONGEST or "\0" in text:
        raise ValueError
    return text


def raw_params(pairs: Iterable[tuple[str, str]]) -> RawParams:
    """The parameters of an address."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return RawParams(values)


def _name(name: str) -> str:
    """In snake_case, but for the name of a property in brackets."""
    plain, bracket, rest = name.partition("[")
    return snake_case(plain) + bracket + rest


def where_of(kept: Mapping[str, Any]) -> Where:
    """A filter as it was kept: an object, as a body has it."""
    return RawParams.of_body({"where": kept}).where()


def kept_where(where: Where) -> dict[str, Any]:
    """The same the other way round, in the shortest way in which a body can say it."""
    found: dict[str, Any] = {}
    for prop, values, op in where:
        found.setdefault(prop, {})[op] = list(values) if len(values) > 1 else values[0]
    return {prop: ops["is"] if list(ops) == ["is"] else ops for prop, ops in found.items()}

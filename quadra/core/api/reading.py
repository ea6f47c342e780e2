"""How the fields of a request are read. What is wrong is noted in `raw`, and whoever has read all of it checks that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import inspect

from quadra.core.api.fields import Field, Fields
from quadra.core.api.raw_params import RawParams

SHOWN_OF_KEY = 64
"""Characters of a name that a sender chose, where an error names it."""


def read(fields: Fields, raw: RawParams) -> dict[str, Any]:
    """The values by attribute; the default where one is left out or wrong."""
    return {field.attribute: _read(field, raw) for field in fields.all}


def _read(field: Field, raw: RawParams) -> Any:
    value = _literal(field, raw) if field.choices else _READ[type(field.type)](field, raw)
    if value is None and field.required and field.name not in raw.wrong:
        raw.wrong[field.name] = "is needed"
    return field.default if value is None else value


def _text(field: Field, raw: RawParams) -> str | None:
    if not field.exact:
        found = raw.text(field.name)
        if found is None and raw.value_of(field.name) == "" and getattr(field.type, "min_length", None):
            raw.wrong[field.name] = "is needed" if field.required else "not empty; leave it out instead"
        bounds: Any = field.type
        if found is not None and bounds.max_length is not None and len(found) > bounds.max_length:
            raw.wrong[field.name] = f"at most {bounds.max_length} characters"
            return None
        return found
    secret = raw.value_of(field.name)
    if secret is None or isinstance(secret, str):
        return secret
    raw.wrong[field.name] = "a string"
    return None


def _number(field: Field, raw: RawParams) -> int | None:
    bounds: Any = field.type
    return raw.number(field.name, None, bounds.ge, bounds.le)


def _real(field: Field, raw: RawParams) -> float | None:
    bounds: Any = field.type
    return raw.real(field.name, bounds.le)


def _tuple(field: Field, raw: RawParams) -> Any:
    if field.default is None and raw.value_of(field.name) is None:  # left out is not the same as empty
        return None
    return raw.where(field.name) if field.filters else raw.names(field.name)


def _literal(field: Field, raw: RawParams) -> str | None:
    return raw.choice(field.name, field.choices, "") or None


def _list(field: Field, raw: RawParams) -> list[Any] | None:
    type_: Any = field.type
    items = raw.value_of(field.name)
    if items is None:
        return None
    least, most = type_.min_length or 0, type_.max_length
    right = isinstance(items, list) and least <= len(items) <= most and all(isinstance(item, dict) for item in items)
    if not right or field.inner is None:
        raw.wrong[field.name] = f"a list of {least} to {most} objects"
        return None
    found = (_inner(field.inner, raw, item, f"{field.name}[{number}]") for number, item in enumerate(items))
    return [each for each in found if each is not None]


def _object(field: Field, raw: RawParams) -> dict[str, Any] | None:
    type_: Any = field.type
    items = raw.value_of(field.name)
    if items is None:
        return None
    if not isinstance(items, dict):
        raw.wrong[field.name] = "an object"
        return None
    if (fields := field.inner) is None:
        return items
    if len(items) > type_.max_length:
        raw.wrong[field.name] = f"an object that holds at most {type_.max_length} others"
        return None
    found = {key: _inner(fields, raw, item, f"{field.name}.{key[:SHOWN_OF_KEY]}") for key, item in items.items()}
    return {key: each for key, each in found.items() if each is not None}


def _inner(fields: Fields, raw: RawParams, item: Any, place: str) -> Any:
    """An object inside a request, as its struct; None where it is wrong."""
    if not isinstance(item, dict):
        raw.wrong[place] = "an object"
        return None
    inner = raw.inner(item)
    inner.refuse_unknown(fields.names)
    values = read(fields, inner)
    raw.wrong |= {f"{place}.{name}": text for name, text in inner.wrong.items()}
    return None if inner.wrong else fields.struct(**values)


_READ: dict[type[inspect.Type], Callable[[Field, RawParams], Any]] = {
    inspect.StrType: _text,
    inspect.IntType: _number,
    inspect.FloatType: _real,
    inspect.BoolType: lambda field, raw: raw.flag(field.name),
    inspect.LiteralType: _literal,
    inspect.VarTupleType: _tuple,
    inspect.ListType: _list,
    inspect.DictType: _object,
}

"""How the fields of a request are described: as parameters of an address, or as a JSON body that is as lenient as the reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import inspect

from quadra.core.api.examples import example_of_type
from quadra.core.api.fields import PASSWORD, Field, Fields
from quadra.core.api.openapi import Param, Schema
from quadra.core.api.raw_params import OPS

TEXT = ["string", "number", "boolean"]
"""What counts as a text in a body."""
TEXTS: Schema = {"type": [*TEXT, "null"]}


def param(field: Field) -> Param:
    name = f"{field.name}[property]" if field.filters else field.name
    return Param(name=name, shape=_in_address(field), says=field.says, example=field.example)


def body(fields: Fields) -> Schema:
    needed = [field.name for field in fields.all if field.required]
    return {
        "type": "object",
        "properties": {field.name: _in_body(field) for field in fields.all},
        **({"required": needed} if needed else {}),
    }


def example(fields: Fields) -> dict[str, Any]:
    """What is needed, and what states an example."""
    made = {}
    for field in fields.all:
        if field.example is not None:
            made[field.name] = field.example
        elif field.inner is not None and field.required:
            made[field.name] = [example(field.inner)]
        elif field.required:
            made[field.name] = field.choices[0] if field.choices else example_of_type(field.type)
    return made


def _in_address(field: Field) -> Schema:
    made = {"enum": list(field.choices)} if field.choices else _SCHEMA[type(field.type)](field)
    plain = isinstance(field.default, str | int | float)
    return made | {"default": field.default} if plain else made


def _in_body(field: Field) -> Schema:
    described: Schema = {"description": field.says} if field.says else {}
    if field.filters:
        plain = [TEXTS, {"type": "array", "items": TEXTS}]
        ops = {op: {"anyOf": plain} for op in OPS}
        values = {"anyOf": [*plain, {"type": "object", "properties": ops, "additionalProperties": False}]}
        return {"type": ["object", "null"], "additionalProperties": values, **described}
    if isinstance(field.default, str) and field.default:
        described["default"] = field.default
    if field.choices:
        return {"enum": [*field.choices, "", None], **described}
    if field.exact:
        return {"type": _type("string", field), "format": PASSWORD, **_lengths(field), **described}
    if isinstance(field.type, inspect.StrType):
        return {"type": TEXT if field.required else TEXTS["type"], **_lengths(field), **described}
    if isinstance(field.type, inspect.VarTupleType):
        return {"type": ["array", *TEXT, "null"], "items": TEXTS, **described}
    if isinstance(field.type, inspect.ListType | inspect.DictType):
        return {**_holder(field), **described}
    numbers = [{"enum": [0, 1]}] if isinstance(field.type, inspect.BoolType) else []
    # an empty text counts as left out
    return {"anyOf": [_in_address(field), *numbers, {"type": ["string", "null"]}], **described}


def _holder(field: Field) -> Schema:
    """A list of objects, or an object."""
    type_: Any = field.type
    inner = {} if field.inner is None else body(field.inner)
    if isinstance(type_, inspect.ListType):
        bounds = {"minItems": type_.min_length or 0, "maxItems": type_.max_length}
        return {"type": _type("array", field), "items": inner, **bounds}
    most = {} if type_.max_length is None else {"maxProperties": type_.max_length}
    return {"type": _type("object", field), **({"additionalProperties": inner} if inner else {}), **most}


def _type(name: str, field: Field) -> str | list[str]:
    return name if field.required else [name, "null"]


def _lengths(field: Field) -> Schema:
    """Of a text, as JSON Schema knows them: numbers that count as texts have none."""
    type_: Any = field.type
    found = {"minLength": type_.min_length, "maxLength": type_.max_length, "pattern": type_.pattern}
    return {name: value for name, value in found.items() if value is not None}


def _bounds(field: Field) -> Schema:
    bounds: Any = field.type
    found = {"minimum": bounds.ge, "maximum": bounds.le}
    return {name: value for name, value in found.items() if value is not None}


_SCHEMA: dict[type[inspect.Type], Callable[[Field], Schema]] = {
    inspect.StrType: lambda field: {"type": "string", **_lengths(field)},
    inspect.IntType: lambda field: {"type": "integer", **_bounds(field)},
    inspect.FloatType: lambda field: {"type": "number", **_bounds(field)},
    inspect.BoolType: lambda field: {"type": "boolean"},
    inspect.VarTupleType: lambda field: {"type": "string"},
}

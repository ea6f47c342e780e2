"""A request's fields, stated once as a msgspec struct: how they are read, and how they are described.

A request comes from an address or a JSON body, where numbers may be texts and names camelCase. Every wrong field is named
at once, and so is a name that is not known, with the nearest one that is. `Given` does the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct, inspect

from quadra.core.api.examples import example_of_type
from quadra.core.api.given import Given
from quadra.core.api.openapi import Param, Schema

S = TypeVar("S", bound=Struct)
TEXTS: Schema = {"type": ["string", "number", "boolean", "null"]}
"""What counts as a text in a body."""


def says(text: str, example: Any = None) -> Meta:
    """What a field means, and one of its values."""
    return Meta(description=text, examples=None if example is None else [example])


def choice(choices: Iterable[str], text: str = "") -> Meta:
    """A text that is one of these."""
    return Meta(description=text or None, extra_json_schema={"enum": list(choices)})


def within(least: int, most: int, text: str = "") -> Meta:
    """The bounds of a number."""
    return Meta(ge=least, le=most, description=text or None)


@dataclass(frozen=True)
class Field:
    """One field of a request."""

    name: str
    """As it is written outside."""
    attribute: str
    type: inspect.Type
    default: Any
    says: str = ""
    example: Any = None
    choices: tuple[str, ...] = ()
    items: Params[Any] | None = None
    """How the objects of a list are read."""

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT

    @property
    def filters(self) -> bool:
        """Whether it is written `name[property]=value`."""
        return isinstance(self.type, inspect.VarTupleType) and not isinstance(self.type.item_type, inspect.StrType)

    def read(self, given: Given) -> Any:
        """The value, or the default where it is left out or wrong; what is wrong is noted in `given`."""
        value = _literal(self, given) if self.choices else _READ[type(self.type)](self, given)
        if value is None and self.required and self.name not in given.wrong:
            given.wrong[self.name] = "is needed"
        return self.default if value is None else value

    def schema(self) -> Schema:
        """Of its value in an address."""
        made = {"enum": list(self.choices)} if self.choices else _SCHEMA[type(self.type)](self)
        plain = isinstance(self.default, str | int | float)
        return made | {"default": self.default} if plain else made

    def param(self) -> Param:
        name = f"{self.name}[property]" if self.filters else self.name
        return Param(name=name, shape=self.schema(), says=self.says, example=self.example)


class Params(Generic[S]):
    """A struct that requests are read into. Made when a module is imported."""

    def __init__(self, struct: type[S], *, without: Sequence[str] = ()):
        """`without` are attributes that do not come from the request."""
        self.struct = struct
        found = [each for each in msgspec.structs.fields(struct) if each.name not in without]
        self.fields = tuple(_field(each) for each in found)
        self.names = tuple(field.name for field in self.fields)

    def read(self, given: Given) -> dict[str, Any]:
        """The values by attribute; what is wrong is noted in `given`, which is checked by whoever has read all of it."""
        return {field.attribute: field.read(given) for field in self.fields}

    def of(self, given: Given) -> S:
        """The struct, where it is all of the request. Raises `Invalid`, naming every wrong field."""
        given.refuse_unknown(self.names)
        values = self.read(given)
        given.check()
        return self.struct(**values)

    def params(self) -> tuple[Param, ...]:
        return tuple(field.param() for field in self.fields)

    def example(self) -> dict[str, Any]:
        """What is needed, and what states an example."""
        found = {}
        for field in self.fields:
            if field.items is not None and field.required:
                found[field.name] = [field.items.example()]
            elif field.example is not None or field.required:
                found[field.name] = example_of_type(field.type) if field.example is None else field.example
        return found

    def body(self) -> Schema:
        """The shape of a JSON body: as lenient as the reading."""
        needed = [field.name for field in self.fields if field.required]
        return {
            "type": "object",
            "properties": {field.name: _in_body(field) for field in self.fields},
            **({"required": needed} if needed else {}),
        }


def _field(found: msgspec.structs.FieldInfo) -> Field:
    type_, texts, examples, choices = inspect.type_info(found.type), "", None, _choices(found.type)
    while isinstance(type_, inspect.Metadata | inspect.UnionType):
        if isinstance(type_, inspect.UnionType):
            (type_,) = (each for each in type_.types if not isinstance(each, inspect.NoneType))
            continue
        more, type_ = type_.extra_json_schema or {}, type_.type
        texts, examples = more.get("description", texts), more.get("examples", examples)
        choices = choices or tuple(more.get("enum", ()))
    if type(type_) not in _READ:
        raise TypeError(f"{found.name}: no request has such a field")
    items = None
    if isinstance(type_, inspect.ListType) and isinstance(type_.item_type, inspect.StructType):
        items = Params(type_.item_type.cls)
    example = examples[0] if examples else None
    default = found.default if found.default_factory is NODEFAULT else found.default_factory()
    return Field(found.encode_name, found.name, type_, default, texts, example, choices, items)


def _choices(type_: Any) -> tuple[str, ...]:
    """In the order in which they are written; msgspec sorts them."""
    if get_origin(type_) is Literal:
        return get_args(type_)
    return tuple(each for part in get_args(type_) for each in _choices(part))


def _number(field: Field, given: Given) -> int | None:
    bounds: Any = field.type
    return given.number(field.name, None, bounds.ge, bounds.le)


def _real(field: Field, given: Given) -> float | None:
    bounds: Any = field.type
    return given.real(field.name, bounds.le)


def _tuple(field: Field, given: Given) -> Any:
    return given.where(field.name) if field.filters else given.names(field.name)


def _literal(field: Field, given: Given) -> str | None:
    return given.choice(field.name, field.choices, "") or None


def _list(field: Field, given: Given) -> list[Any] | None:
    type_: Any = field.type
    items = given.raw(field.name)
    if items is None:
        return None
    least, most = type_.min_length or 0, type_.max_length
    right = isinstance(items, list) and least <= len(items) <= most and all(isinstance(item, dict) for item in items)
    if not right or field.items is None:
        given.wrong[field.name] = f"a list of {least} to {most} objects"
        return None
    found = []
    for number, item in enumerate(items):
        inner = given.inner(item)
        inner.refuse_unknown(field.items.names)
        values = field.items.read(inner)
        given.wrong |= {f"{field.name}[{number}].{name}": text for name, text in inner.wrong.items()}
        if not inner.wrong:
            found.append(field.items.struct(**values))
    return found


_READ: dict[type[inspect.Type], Callable[[Field, Given], Any]] = {
    inspect.StrType: lambda field, given: given.text(field.name),
    inspect.IntType: _number,
    inspect.FloatType: _real,
    inspect.BoolType: lambda field, given: given.flag(field.name),
    inspect.LiteralType: _literal,
    inspect.VarTupleType: _tuple,
    inspect.ListType: _list,
}


def _bounds(field: Field) -> Schema:
    bounds: Any = field.type
    found = {"minimum": bounds.ge, "maximum": bounds.le}
    return {name: value for name, value in found.items() if value is not None}


_SCHEMA: dict[type[inspect.Type], Callable[[Field], Schema]] = {
    inspect.StrType: lambda field: {"type": "string"},
    inspect.IntType: lambda field: {"type": "integer", **_bounds(field)},
    inspect.FloatType: lambda field: {"type": "number", **_bounds(field)},
    inspect.BoolType: lambda field: {"type": "boolean"},
    inspect.VarTupleType: lambda field: {"type": "string"},
    inspect.ListType: lambda field: {"type": "array"},
}


def _in_body(field: Field) -> Schema:
    described = {"description": field.says} if field.says else {}
    if field.filters:
        values = {"anyOf": [TEXTS, {"type": "array", "items": TEXTS}]}
        return {"type": ["object", "null"], "additionalProperties": values, **described}
    if field.items is not None:
        type_: Any = field.type
        bounds = {"minItems": type_.min_length or 0, "maxItems": type_.max_length}
        return {
            "type": "array" if field.required else ["array", "null"],
            "items": field.items.body(),
            **bounds,
            **described,
        }
    if field.choices:
        return {"enum": [*field.choices, "", None], **described}
    if isinstance(field.type, inspect.StrType):
        return {**TEXTS, **described} if not field.required else {"type": ["string", "number", "boolean"], **described}
    # an empty text counts as left out
    return {"anyOf": [field.schema(), {"type": ["string", "null"]}], **described}

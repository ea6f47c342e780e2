"""The fields of a request, found in the msgspec struct that states them: their names, types, bounds and words.

`reading.py` reads them, `describing.py` describes them; `params.py` puts the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct, inspect

PASSWORD = "password"
"""The format of a text that is taken as it was sent."""
KINDS = (
    inspect.StrType,
    inspect.IntType,
    inspect.FloatType,
    inspect.BoolType,
    inspect.LiteralType,
    inspect.VarTupleType,
    inspect.ListType,
    inspect.DictType,
)
"""What a field may be."""


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
    exact: bool = False
    """A secret: a string and nothing else, taken as it was sent, an empty one too."""
    inner: Fields | None = None
    """Of the objects of a list, or of those that an object holds by name."""

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT

    @property
    def filters(self) -> bool:
        """Whether it is written `name[property]=value`."""
        return isinstance(self.type, inspect.VarTupleType) and not isinstance(self.type.item_type, inspect.StrType)


@dataclass(frozen=True)
class Fields:
    """The fields of one struct."""

    struct: type[Struct]
    all: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.all)


def fields_of(struct: type[Struct], without: Sequence[str] = ()) -> Fields:
    found = (each for each in msgspec.structs.fields(struct) if each.name not in without)
    return Fields(struct, tuple(_field(each) for each in found))


def _field(info: msgspec.structs.FieldInfo) -> Field:
    type_, texts, examples, choices = inspect.type_info(info.type), "", None, _choices(info.type)
    exact = False
    while isinstance(type_, inspect.Metadata | inspect.UnionType):
        if isinstance(type_, inspect.UnionType):
            (type_,) = (each for each in type_.types if not isinstance(each, inspect.NoneType))
            continue
        more, type_ = type_.extra_json_schema or {}, type_.type
        texts, examples = more.get("description", texts), more.get("examples", examples)
        choices = choices or tuple(more.get("enum", ()))
        exact = exact or more.get("format") == PASSWORD
    if not isinstance(type_, KINDS):
        raise TypeError(f"{info.name}: no request has such a field")
    item = type_.item_type if isinstance(type_, inspect.ListType) else getattr(type_, "value_type", None)
    return Field(
        name=info.encode_name,
        attribute=info.name,
        type=type_,
        default=info.default if info.default_factory is NODEFAULT else info.default_factory(),
        says=texts,
        example=examples[0] if examples else None,
        choices=choices,
        exact=exact,
        inner=fields_of(item.cls) if isinstance(item, inspect.StructType) else None,
    )


def _choices(type_: Any) -> tuple[str, ...]:
    """In the order in which they are written; msgspec sorts them."""
    if get_origin(type_) is Literal:
        return get_args(type_)
    return tuple(each for part in get_args(type_) for each in _choices(part))

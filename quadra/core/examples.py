"""An example of a struct, for its description: made of the examples that its fields state, and of plain values elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import NODEFAULT, inspect


def example_of(shape: Any) -> Any:
    """Plain data that has the shape of a type."""
    return _example(inspect.type_info(shape))


def _example(info: inspect.Type) -> Any:
    if isinstance(info, inspect.Metadata):
        examples = (info.extra_json_schema or {}).get("examples")
        return examples[0] if examples else _example(info.type)
    make = _BY_TYPE.get(type(info))
    return {} if make is None else make(info)


def _struct(info: Any) -> dict[str, Any]:
    optional = info.cls.__struct_config__.omit_defaults
    return {
        field.encode_name: _example(field.type) for field in info.fields if field.default is NODEFAULT or not optional
    }


def _union(info: Any) -> Any:
    """Of the first that is something."""
    return _example(next(each for each in info.types if not isinstance(each, inspect.NoneType)))


_BY_TYPE: dict[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.StrType: lambda info: "text",
    inspect.IntType: lambda info: info.ge or 12,
    inspect.FloatType: lambda info: 12.5,
    inspect.BoolType: lambda info: True,
    inspect.NoneType: lambda info: None,
    inspect.LiteralType: lambda info: info.values[0],
    inspect.StructType: _struct,
    inspect.UnionType: _union,
    inspect.ListType: lambda info: [_example(info.item_type)],
    inspect.VarTupleType: lambda info: [_example(info.item_type)],
    inspect.DictType: lambda info: {"name": _example(info.value_type)},
}

"""An example of a struct, for its description: made of the examples that its fields state, and of plain values elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import inspect


def example_of(shape: Any) -> Any:
    """Plain data that has the shape of a type."""
    return example_of_type(inspect.type_info(shape))


def example_of_type(info: inspect.Type) -> Any:
    if isinstance(info, inspect.Metadata):
        examples = (info.extra_json_schema or {}).get("examples")
        return examples[0] if examples else example_of_type(info.type)
    make = _BY_TYPE.get(type(info))
    return {} if make is None else make(info)


def _struct(info: Any) -> dict[str, Any]:
    """With what may be left out, too."""
    return {field.encode_name: example_of_type(field.type) for field in info.fields}


def _union(info: Any) -> Any:
    """Of the first that is something."""
    return example_of_type(next(each for each in info.types if not isinstance(each, inspect.NoneType)))


_BY_TYPE: dict[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.StrType: lambda info: "text",
    inspect.IntType: lambda info: 12 if info.ge is None else info.ge,
    inspect.FloatType: lambda info: 12.5,
    inspect.BoolType: lambda info: True,
    inspect.NoneType: lambda info: None,
    inspect.LiteralType: lambda info: info.values[0],
    inspect.StructType: _struct,
    inspect.UnionType: _union,
    inspect.ListType: lambda info: [example_of_type(info.item_type)],
    inspect.VarTupleType: lambda info: [example_of_type(info.item_type)],
    inspect.DictType: lambda info: {"name": example_of_type(info.value_type)},
}

"""JSON Schema as people read it: rows of name, type and meaning. Objects within objects become `outer.inner`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
DEEPEST = 3
"""Levels that are shown: what lies deeper is named, and can be looked up in the document itself."""
LONG = 1e9
"""Bounds beyond this only keep nonsense out; nobody needs to read them."""


@dataclass(frozen=True)
class Row:
    name: str
    type: str
    required: bool
    says: str


@dataclass(frozen=True)
class Variant:
    """One of the shapes that something may have."""

    title: str
    rows: list[Row]
    link: str = ""
    """The name of a shape that the page shows in a place of its own."""


class Reader:
    """Reads the schemas of one document; those in `linked` are shown elsewhere on the page and only named."""

    def __init__(self, components: Mapping[str, Schema], linked: frozenset[str] = frozenset()):
        self._components = components
        self._linked = linked

    def variants(self, schema: Schema) -> list[Variant]:
        """The shapes that a body may have, usually one."""
        name = _name(schema)
        if name in self._linked:
            return [Variant("", [], name)]
        found = self._resolved(schema)
        if "anyOf" in found and "properties" not in found:
            return [variant for one in found["anyOf"] for variant in self.variants(one)]
        if found.get("type") != "array":
            return [Variant(str(found.get("title", "")), list(self._rows(found)))]
        inner = _name(found.get("items", {}))
        return [Variant("list of", [], inner) if inner in self._linked else Variant("list", list(self._rows(found)))]

    def type(self, schema: Schema) -> str:
        """`string, ≤ 200 characters` · `list of integer` · `a | b` · `time or null`"""
        if name := _name(schema):
            return name if name in self._linked else self.type(self._components[name])
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(self.type(one) for one in schema["anyOf"]))
        if choices := schema.get("enum", [schema["const"]] if "const" in schema else []):
            return " | ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in choices)
        if schema.get("type") == "array":
            return f"list of {self.type(schema.get('items', {}))}"
        if schema.get("format") == "date-time":
            return "time"
        kinds = schema.get("type", "anything")
        words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
        return words + _bounds(schema)

    def _rows(self, schema: Schema, prefix: str = "", level: int = 1) -> Iterator[Row]:
        required = schema.get("required", ())
        for name, found in schema.get("properties", {}).items():
            yield Row(prefix + name, self.type(found), name in required, self._says(found))
            inner, mark = self._inside(found)
            if inner is not None and level < DEEPEST:
                yield from self._rows(inner, f"{prefix}{name}{mark}.", level + 1)
        if prefix == "" and schema.get("type") == "array":
            inner, _mark = self._inside(schema)
            yield from self._rows(inner or {}, level=level + 1)

    def _inside(self, schema: Schema) -> tuple[Schema | None, str]:
        """The object that a field holds or lists, and how its name shows that it is a list."""
        real = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
        if len(real) != 1 or _name(real[0]) in self._linked:
            return None, ""
        found = self._resolved(real[0])
        if found.get("type") == "array":
            inner, mark = self._inside(found.get("items", {}))
            return inner, f"[]{mark}"
        return (found, "") if "properties" in found else (None, "")

    def _says(self, schema: Schema) -> str:
        says = schema.get("description")
        return str(self._resolved(schema).get("description", "") if says is None and "$ref" in schema else says or "")

    def _resolved(self, schema: Schema) -> Schema:
        name = _name(schema)
        return self._components[name] if name else schema


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _bounds(schema: Schema) -> str:
    if "maxLength" in schema:
        least = f"{schema['minLength']} to " if schema.get("minLength", 0) > 1 else "≤ "
        return f", {least}{schema['maxLength']:,} characters"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and max(abs(low), abs(high)) < LONG:
        return f", {low:,} to {high:,}"
    return f", ≥ {low:,}" if low is not None and abs(low) < LONG else ""

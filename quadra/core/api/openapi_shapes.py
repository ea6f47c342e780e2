"""Shapes as JSON Schema: msgspec describes all types of all rooms at once, so that they share components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from quadra.core.api.openapi import Answer, Door, Group, Schema, SocketEvent


class Problem(Struct):
    """What was wrong."""

    code: str
    message: str
    fields: dict[str, str]
    request_id: str


class Error(Struct):
    """The one shape of every error."""

    error: Problem


class Shapes:
    """Turns what the groups of a document name into schemas, and holds the components that these refer to."""

    def __init__(self, groups: Sequence[Group]):
        made = {name: schema for group in groups for name, schema in group.schemas.items()}
        types = list(dict.fromkeys([*_types(groups), *_types(made), Error]))
        schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
        self._known = dict(zip(types, schemas, strict=True))
        # msgspec titles each with its own name: 1.5 kB of the packed document that say nothing
        shown = {name: {key: value for key, value in one.items() if key != "title"} for name, one in components.items()}
        self.components: dict[str, Schema] = {name: self(schema) for name, schema in {**shown, **made}.items()}

    def __call__(self, shape: Any) -> Any:
        if isinstance(shape, Mapping):
            return {key: self(value) for key, value in shape.items()}
        if isinstance(shape, list | tuple):
            return [self(value) for value in shape]
        return shape if shape is None or isinstance(shape, str | int | float) else self._known[shape]


def _types(schema: Any) -> Iterator[Any]:
    """The Python types among shapes, wherever they stand."""
    if isinstance(schema, Mapping):
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from _types(item)
    elif isinstance(schema, Group):
        yield from _types([schema.doors, schema.sockets])
    elif isinstance(schema, Door):
        bodies = schema.body.shapes if schema.body else None
        yield from _types([[param.shape for param in schema.params], bodies, list(schema.answers.values())])
    elif isinstance(schema, SocketEvent):
        yield from _types([schema.payload, schema.answer])
    elif isinstance(schema, Answer):
        yield from _types(schema.shape)
    elif schema is not None and not isinstance(schema, str | int | float):
        yield schema


class Reconnect(Struct):
    """What the socket event `server:reconnect` says."""

    reason: str
    within_ms: int

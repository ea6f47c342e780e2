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
        self.components: dict[str, Schema] = {name: self(schema) for name, schema in {**components, **made}.items()}

    def __call__(self, shape: Any) -> Any:
        if isinstance(shape, Mapping):
            return {key: self(value) for key, value in shape.items()}
        if isinstance(shape, list | tuple):
            return [self(value) for value in shape]
        return shape if shape is None or isinstance(shape, str | int | float) else self._known[shape]


def _types(found: Any) -> Iterator[Any]:
    """The Python types among shapes, wherever they stand."""
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, list | tuple):
        for item in found:
            yield from _types(item)
    elif isinstance(found, Group):
        yield from _types([found.doors, found.sockets])
    elif isinstance(found, Door):
        bodies = found.body.shapes if found.body else None
        yield from _types([[param.shape for param in found.params], bodies, list(found.answers.values())])
    elif isinstance(found, SocketEvent):
        yield from _types([found.payload, found.answer])
    elif isinstance(found, Answer):
        yield from _types(found.shape)
    elif found is not None and not isinstance(found, str | int | float):
        yield found


class Reconnect(Struct):
    """What the socket event `server:reconnect` says."""

    reason: str
    within_ms: int

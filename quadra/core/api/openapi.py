"""The words in which a room describes its HTTP doors and socket events, for `/api/openapi.json` and `/api/docs`.

A room's `room.py` holds `GROUPS` made of these, beside its blueprints. The shape of a body or an answer is a Python type
that msgspec can describe (a TypedDict), or a JSON Schema where a type cannot say it. `openapi_document` puts all rooms
together; a test compares them with the routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

Schema = dict[str, Any]
Shape = Any
"""A type, or a `Schema`."""

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-01-31T12:00:00.000Z"])]
"""A time as answers show it: ISO 8601 in UTC."""

WRITE_KEY, NOBODY = "write key", "nobody"


@dataclass(frozen=True, kw_only=True)
class Param:
    """Something in the address. What the path itself names must be given."""

    name: str
    shape: Shape
    says: str = ""
    example: Any = None


@dataclass(frozen=True, kw_only=True)
class Body:
    """What is sent: of one shape, or of one for each media type."""

    shape: Shape = None
    example: Any = None
    media: Mapping[str, Shape] = field(default_factory=dict)
    required: bool = True

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return self.media or {"application/json": self.shape}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What comes back when all is well, or when only this door says it so."""

    says: str
    shape: Shape = None
    example: Any = None
    media: str = "application/json"
    other_media: tuple[str, ...] = ()
    """What it may be instead, as the request asks; not described further."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """One method of one path."""

    method: str
    path: str
    """As OpenAPI writes it: `/api/keys/{key_id}`."""
    title: str
    says: str = ""
    needs: str = NOBODY
    """NOBODY, WRITE_KEY, or the least role: viewer, editor, admin."""
    params: tuple[Param, ...] = ()
    body: Body | None = None
    answers: Mapping[int, Answer]
    refuses: tuple[int, ...] = ()
    """Statuses of errors beside those that follow from `needs` and `body`."""
    also: tuple[str, ...] = ()
    """Other paths that do the same."""

    @property
    def for_role(self) -> bool:
        """Whether it asks for a role, and so for a read or admin key or a session."""
        return self.needs not in (NOBODY, WRITE_KEY)

    @property
    def id(self) -> str:
        words = "".join(char if char.isalnum() else " " for char in self.path.removeprefix("/api")).split()
        return "-".join([self.method.lower(), *words])


@dataclass(frozen=True, kw_only=True)
class Group:
    """Doors that a reader looks for in one place."""

    title: str
    says: str = ""
    doors: tuple[Door, ...] = ()
    sockets: tuple[SocketEvent, ...] = ()
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    """Shapes by name, for what a type cannot say; others point there with `refer`."""


@dataclass(frozen=True, kw_only=True)
class SocketEvent:
    """One event of Socket.IO."""

    namespace: str
    name: str
    says: str
    to_server: bool = True
    payload: Shape = None
    answer: Shape = None
    """What the acknowledgement carries."""
    example: Any = None


def one_of(*shapes: Shape) -> Schema:
    """Any of these; each is a type or a schema."""
    return {"anyOf": list(shapes)}


def refer(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}

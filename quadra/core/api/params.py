"""A request's fields, stated once as a msgspec struct: how they are read, and how they are described.

A request comes from an address or a JSON body, where numbers may be texts and names camelCase. Every wrong field is named
at once, and so is a name that is not known, with the nearest one that is. `Given` does the reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from quadra.core.api import describing, reading
from quadra.core.api.fields import choice, fields_of, says, within
from quadra.core.api.openapi import Param, Schema
from quadra.core.api.raw_params import RawParams

__all__ = ["Params", "choice", "says", "within"]

S = TypeVar("S", bound=Struct)


class Params(Generic[S]):
    """A struct that requests are read into. Made when a module is imported."""

    def __init__(self, struct: type[S], *, without: Sequence[str] = ()):
        """`without` are attributes that do not come from the request."""
        self.struct = struct
        self.fields = fields_of(struct, without)
        self.names = self.fields.names

    def read(self, raw: RawParams) -> dict[str, Any]:
        """The values by attribute; what is wrong is noted in `raw`, which is checked by whoever has read all of it."""
        return reading.read(self.fields, raw)

    def of(self, raw: RawParams) -> S:
        """The struct, where it is all of the request. Raises `Invalid`, naming every wrong field."""
        raw.refuse_unknown(self.names)
        values = self.read(raw)
        raw.check("The request cannot be taken as it is.")
        return self.struct(**values)

    def params(self) -> tuple[Param, ...]:
        return tuple(describing.param(field) for field in self.fields.all)

    def example(self) -> dict[str, Any]:
        """What is needed, and what states an example."""
        return describing.example(self.fields)

    def body(self) -> Schema:
        """The shape of a JSON body: as lenient as the reading."""
        return describing.body(self.fields)

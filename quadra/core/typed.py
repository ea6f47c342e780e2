"""What comes from outside, decoded into our types."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Typed(Generic[T]):
    """Decodes into one type; made when a module is imported, never in a function.

    msgspec looks through a struct at its first use and shows it to other threads before it has finished: two of them that
    decode a struct for the first time end the process (seen in 0.22, SIGSEGV). An import happens once.
    """

    def __init__(self, type_: type[T], *, strict: bool = True):
        """`strict=False` takes "1" for 1."""
        self._type = type_
        self._strict = strict
        self._decoder = msgspec.json.Decoder(type_, strict=strict)

    def decode(self, text: bytes | str) -> T:
        """Raises msgspec.DecodeError, UnicodeDecodeError and, for depth, RecursionError."""
        return self._decoder.decode(text)

    def convert(self, value: Any, *, from_attributes: bool = False) -> T:
        """The same from what is decoded already. Raises msgspec.ValidationError."""
        return msgspec.convert(value, self._type, strict=self._strict, from_attributes=from_attributes)

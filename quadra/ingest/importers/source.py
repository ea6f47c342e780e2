"""The bytes of an import: a file, a .gz file or standard input, line by line and never more of it than needed."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from quadra.core.errors import Invalid, NotFound

HEAD_BYTES = 64 * 1024
MAX_LINE_BYTES = 1024 * 1024
"""Longer lines are cut: no event is that large, and memory stays bounded."""
BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    number: int
    raw: bytes
    """Without its end."""


class Source:
    """What is imported. `head` is its beginning, to tell the format by."""

    def __init__(self, name: str):
        """Raises `NotFound`, `Invalid`."""
        self.name = "standard input" if name == "-" else name
        self.size: int | None = None
        self._file: BinaryIO = sys.stdin.buffer
        if name != "-":
            path = Path(name)
            try:
                self._file = path.open("rb")
                self.size = path.stat().st_size or None
            except FileNotFoundError:
                raise NotFound(f"There is no file {name}.") from None
            except OSError as error:
                raise Invalid(f"{name} cannot be read: {error.strerror}.") from error
        begin = self._file.read(2)
        packed = _Chained(begin, self._file)
        plain: Any = gzip.GzipFile(fileobj=io.BufferedReader(packed)) if begin == b"\x1f\x8b" else packed
        self._counted = packed
        self.head = self._checked(plain.read, HEAD_BYTES) if begin else b""
        if begin != b"\x1f\x8b":
            while len(self.head) < HEAD_BYTES and (more := packed.read(HEAD_BYTES - len(self.head))):
                self.head += more
        self._stream = io.BufferedReader(_Chained(self.head.removeprefix(BOM), plain), 256 * 1024)
        self.head = self.head.removeprefix(BOM)

    @property
    def bytes_read(self) -> int:
        """Of the file as it lies there, packed or not."""
        return self._counted.count

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank. Raises `Invalid` where the file breaks off."""
        number = 0
        while line := self._checked(self._stream.readline, MAX_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n") and len(line) >= MAX_LINE_BYTES:
                while (rest := self._checked(self._stream.readline, MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    continue
            if stripped := line.rstrip(b"\r\n"):
                yield Line(number, stripped)

    def text(self) -> Iterator[str]:
        """The lines as text with their ends, blank ones too: a CSV field may hold them."""
        while line := self._checked(self._stream.readline, MAX_LINE_BYTES):
            yield decoded(line)

    def chunks(self) -> Iterator[str]:
        """The whole as pieces of text, each of whole lines or cut after an ASCII byte."""
        rest = b""
        while chunk := self._checked(self._stream.read, 256 * 1024):
            chunk = rest + chunk
            cut = len(chunk)
            while cut > max(0, len(chunk) - 4) and chunk[cut - 1] >= 0x80:
                cut -= 1
            yield decoded(chunk[:cut])
            rest = chunk[cut:]
        if rest:
            yield decoded(rest)

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def _checked(self, read: Any, size: int) -> bytes:
        try:
            found: bytes = read(size)
            return found
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Invalid(f"{self.name} is damaged or cut off: {error}.") from error
        except OSError as error:
            raise Invalid(f"{self.name} cannot be read: {error.strerror}.") from error


def decoded(raw: bytes) -> str:
    """UTF-8, and Latin-1 for what is not."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class _Chained(io.RawIOBase):
    """What was read already, then the rest; counts what it gives away."""

    def __init__(self, first: bytes, rest: Any):
        self._first = first
        self._rest = rest
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._first:
            found, self._first = self._first[: len(buffer)], self._first[len(buffer) :]
        else:
            found = self._rest.read(len(buffer)) or b""
        buffer[: len(found)] = found
        self.count += len(found)
        return len(found)

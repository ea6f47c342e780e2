"""The bytes of an import: a file, a .gz file or standard input, line by line and never more of it than needed."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from quadra.core.errors import Invalid, NotFound

HEAD_BYTES = 64 * 1024
MAX_LINE_BYTES = 1024 * 1024
"""Longer lines are cut: no event is that large, and memory stays bounded."""
REMEMBERED_BYTES = 4 * HEAD_BYTES
"""More than telling the format takes, packed or not."""
BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    number: int
    raw: bytes
    """Without its end."""


class Source:
    """What is imported. `head` is its beginning, to tell the format by.

    A last line that has no newline waits: its writer may be in the middle of it. `complete` says that nobody writes any
    more, as a packed file does by its own end.
    """

    def __init__(self, name: str, *, complete: bool = False):
        """Raises `NotFound`, `Invalid`."""
        self.name = "standard input" if name == "-" else name
        self.size: int | None = None
        self.complete = complete
        self.unfinished: int | None = None
        """The line that waits for its end; known when everything was read."""
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
        self._open()

    def _open(self) -> None:
        packed = self._counted = _Chained(b"", self._file)
        begin = self._checked(packed.read, 2)
        packed.first = begin
        is_packed = begin == b"\x1f\x8b"
        plain: Any = gzip.GzipFile(fileobj=io.BufferedReader(packed)) if is_packed else packed
        self.complete = self.complete or is_packed
        self.head = b""
        while len(self.head) < HEAD_BYTES and begin:
            more = self._checked(plain.read, HEAD_BYTES - len(self.head))
            self.head += more
            if not more:
                break
        self._stream = io.BufferedReader(_Chained(self.head.removeprefix(BOM), plain), 256 * 1024)
        self.head = self.head.removeprefix(BOM)

    def rewind(self) -> None:
        """Back to the beginning, for formats that need two looks. What came by a pipe is kept in a temporary file."""
        if not self._file.seekable():
            kept = tempfile.TemporaryFile()  # noqa: SIM115  closed with the source
            kept.write(bytes(self._counted.read_already))
            shutil.copyfileobj(self._file, kept)
            self._file = kept
        self._file.seek(0)
        self._open()

    def seekable(self) -> BinaryIO:
        """The file itself, for readers that jump in it."""
        self.rewind()
        self._file.seek(0)
        return self._file

    @property
    def bytes_read(self) -> int:
        """Of the file as it lies there, packed or not."""
        return self._counted.count

    def lines(self, is_whole: Callable[[bytes], bool] = lambda raw: False) -> Iterator[Line]:
        """Every line that is not blank. `is_whole` tells whether one without its newline is whole all the same.

        Raises `Invalid` where the file breaks off.
        """
        for number, line in enumerate(self._lines(), start=1):
            stripped = line.rstrip(b"\r\n")
            if not line.endswith(b"\n") and not self.complete and stripped and not is_whole(stripped):
                self.unfinished = number
            elif stripped:
                yield Line(number, stripped)

    def text(self) -> Iterator[str]:
        """The lines as text with their ends, blank ones too: a CSV field may hold them."""
        for number, line in enumerate(self._lines(), start=1):
            if not line.endswith(b"\n") and not self.complete:
                self.unfinished = number
                return
            yield decoded(line)

    def _lines(self) -> Iterator[bytes]:
        """With their ends. What is longer than a line may be is cut; what was written while it was read is read too."""
        while line := self._checked(self._stream.readline, MAX_LINE_BYTES):
            end = line[-1:]
            while end != b"\n" and (more := self._checked(self._stream.readline, MAX_LINE_BYTES)):
                line, end = (line + more)[:MAX_LINE_BYTES], more[-1:]
            yield line if end != b"\n" or line.endswith(b"\n") else line + b"\n"

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
    """What was read already, then the rest. Counts what it gives away, and remembers the first of it."""

    def __init__(self, first: bytes, rest: Any):
        self.first = first
        self._rest = rest
        self.count = 0
        self.read_already = bytearray()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.first:
            chunk, self.first = self.first[: len(buffer)], self.first[len(buffer) :]
        else:
            chunk = self._rest.read(len(buffer)) or b""
            self.count += len(chunk)
            if len(self.read_already) < REMEMBERED_BYTES:
                self.read_already += chunk
        buffer[: len(chunk)] = chunk
        return len(chunk)

"""From a stream to a file of a backup and back: compressed, encrypted where a key is set, hashed on both sides."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from quadra.backup.stores.cipher import Decrypting, Encrypting, Key
from quadra.backup.stores.manifest import Damage, Part
from quadra.core.durable import sha256_of, sync

CHUNK = 2**20
SUFFIX = {"zstd": ".zst", "gzip": ".gz"}
ENCRYPTED = ".enc"
Tell = Callable[[int], object]
"""Told how many bytes of the content are done."""


class Hashed:
    """A file that hashes what is written to it."""

    closed = False

    def __init__(self, file: Any):
        self._file, self.bytes, self.sha256 = file, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        data = bytes(data)
        self.bytes += len(data)
        self.sha256.update(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()


class Packer:
    """What content is written to; `part` says what became of it, after `packed` is left."""

    def __init__(self, top: Hashed, tell: Tell):
        self._top, self._tell = top, tell
        self.part: Part

    def write(self, data: bytes) -> int:
        size = self._top.write(data)
        self._tell(self._top.bytes)
        return size


@contextmanager
def packed(name: str, directory: Path, file: str, compression: str, key: Key | None, tell: Tell) -> Iterator[Packer]:
    """Write the part `name` to a file in `directory`, durable when this is left. Raises `OSError`, for a full disk too."""
    file = file + SUFFIX[compression] + (ENCRYPTED if key else "")
    with (directory / file).open("wb") as raw:
        bottom = Hashed(raw)
        sealed: Any = Encrypting(bottom, key) if key else bottom  # type: ignore[arg-type]
        small: Any = (
            gzip.GzipFile(fileobj=sealed, mode="wb", compresslevel=6, mtime=0)
            if compression == "gzip"
            else pa.CompressedOutputStream(pa.PythonFile(_Stream(sealed), "w"), "zstd")
        )
        top = Hashed(small)
        packer = Packer(top, tell)
        try:
            yield packer
        except BaseException:
            with suppress(
                Exception
            ):  # what is written is thrown away; Arrow complains about a stream that nobody closed
                small.close()
            raise
        small.close()
        if key:
            sealed.close()
        sync(raw)
    packer.part = Part(name, file, top.bytes, top.sha256.hexdigest(), bottom.bytes, bottom.sha256.hexdigest())


class _Stream:
    """What Arrow asks of a Python file. It closes what it is given, and the layers below have more to write."""

    closed = False

    def __init__(self, file: Any):
        self._file = file

    def write(self, data: bytes) -> int:
        return int(self._file.write(bytes(data)))

    def read(self, size: int = -1) -> bytes:
        return bytes(self._file.read(size))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """The owner closes the file."""


def chunks(path: Path, part: Part, key: Key | None) -> Iterator[bytes]:
    """The content of a part, from its packed file. Raises `Damage` at the latest after the last chunk."""
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as raw:
        try:
            for chunk in _opened(raw, part, key):
                hashed.update(chunk)
                size += len(chunk)
                yield chunk
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            raise Damage(f"{path.name} is damaged: it does not decompress ({str(error)[:120]}).") from None
    if (size, hashed.hexdigest()) != (part.bytes, part.sha256):
        found = f"{size} bytes with the sha256 {hashed.hexdigest()}"
        raise Damage(f"{path.name} is damaged: it holds {found}, should be {part.bytes} with {part.sha256}.")


def _opened(raw: IO[bytes], part: Part, key: Key | None) -> Iterator[bytes]:
    file = part.file
    source: Any = raw
    if file.endswith(ENCRYPTED):
        if key is None:
            raise Damage(f"{file} is encrypted: set QUADRA_BACKUP_KEY_FILE to the file with its key.")
        source, file = Decrypting(raw, key, file), file.removesuffix(ENCRYPTED)
    plain: Any = (
        gzip.GzipFile(fileobj=source)
        if file.endswith(SUFFIX["gzip"])
        else pa.CompressedInputStream(pa.PythonFile(_Stream(source), "r"), "zstd")
    )
    while chunk := plain.read(CHUNK):
        yield chunk


def check_hash(path: Path, part: Part, place: str = "") -> None:
    """The packed file as it lies there, or as it was fetched from `place`. Raises `Damage`, naming what is wrong first."""
    place = place or str(path)
    try:
        size = path.stat().st_size
        digest = sha256_of(path)
    except OSError as error:
        raise Damage(f"{place} is damaged: {error.strerror}.") from None
    if size != part.packed_bytes:
        raise Damage(f"{place} is damaged: it has {size} bytes, should have {part.packed_bytes}.")
    if digest != part.packed_sha256:
        raise Damage(f"{place} is damaged: its sha256 is {digest}, should be {part.packed_sha256}.")


def unpack(path: Path, part: Part, key: Key | None, to: Path, tell: Tell = lambda _: None) -> None:
    """Write the content to `to`, durable. Raises `Damage`, `OSError`."""
    done = 0
    with to.open("wb") as file:
        for chunk in chunks(path, part, key):
            file.write(chunk)
            done += len(chunk)
            tell(done)
        sync(file)

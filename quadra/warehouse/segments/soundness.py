"""Which files of segments are what the database says they are: compared with their hash once in a process, and again where
their size or time has changed. What is not sound is never read: a flipped byte changes numbers and no error tells.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quadra.core.durable import sha256_of
from quadra.core.errors import Unavailable
from quadra.warehouse.segments.catalogue import Listed
from quadra.warehouse.segments.store import Store

logger = logging.getLogger(__name__)

AT_ONCE = 2
"""Files that one question compares at the same time; it is the processor's work, not the disk's."""

AGAIN_SECONDS = 60.0
"""Between two comparings that an error of DuckDB asks for: a question that fails for another reason must not cost that much."""

Signature = tuple[int, int, int]
"""Size, time of the last change, inode."""


class SegmentDamaged(Unavailable):
    """A segment's file is missing or damaged."""

    code = "segment_damaged"

    def __init__(self, path: str, what: str):
        message = f"Segment {path} {what}; what it holds cannot be asked for. Next: quadra recover"
        super().__init__(message, retry_after_seconds=60)
        self.path = path


class Soundness:
    """Of one process. Every method blocks and is safe from any thread."""

    def __init__(self, store: Store):
        self._store = store
        self._sound: dict[str, Signature] = {}
        self._again_at = float("-inf")
        self._locks = [threading.Lock() for _ in range(64)]

    def require(self, segments: Sequence[Listed], *, late: Callable[[], bool] = lambda: False) -> list[Path]:
        """Where the files are, once each is known to be sound; fewer where `late` passed during it.

        Raises `SegmentDamaged`.
        """
        paths = self._store.ready([segment.path for segment in segments])
        new = [pair for pair in zip(segments, paths, strict=True) if not self._is_known(pair[0], _signature(pair[1]))]

        def compare(pair: tuple[Listed, Path]) -> None:
            if not late():
                self._compare(*pair)

        if len(new) > 1:
            with ThreadPoolExecutor(AT_ONCE, "compare") as pool:
                list(pool.map(compare, new))
        else:
            for pair in new:
                compare(pair)
        return paths

    def look(self, segments: Sequence[Listed], *, seconds: float) -> tuple[list[SegmentDamaged], int]:
        """(what is damaged, how many are not compared yet). Compares for so long and goes on the next time."""
        until = time.monotonic() + seconds
        damaged, waiting = [], 0
        for segment in segments:
            path = self._store.local_if_there(segment.path)
            if path is None:  # in the bucket, and not fetched
                waiting += 1
            elif not self._is_known(segment, found := _signature(path)):
                if found is not None and time.monotonic() > until:
                    waiting += 1
                    continue
                try:
                    self._compare(segment, path)
                except SegmentDamaged as error:
                    damaged.append(error)
        listed = {segment.path for segment in segments}
        for gone in [path for path in list(self._sound) if path not in listed]:
            self._sound.pop(gone, None)
        return damaged, waiting

    def require_again(self, segments: Sequence[Listed]) -> None:
        """Reading one of these failed: has it changed, and its time has not? Raises `SegmentDamaged`."""
        if time.monotonic() - self._again_at < AGAIN_SECONDS:
            return
        self._again_at = time.monotonic()
        for segment in segments:
            self._sound.pop(segment.path, None)
        self.require(segments)

    def _is_known(self, segment: Listed, signature: Signature | None) -> bool:
        return signature is not None and self._sound.get(segment.path) == signature

    def _compare(self, segment: Listed, path: Path) -> None:
        with self._locks[
            hash(segment.path) % len(self._locks)
        ]:  # a second question waits for the first one's comparing
            signature = _signature(path)  # before it is read: what is written during the read is compared the next time
            if self._is_known(segment, signature):
                return
            what = _wrong(segment, path, signature)
            if what and self._store.drop_copy(segment.path):
                (path,) = self._store.ready([segment.path])
                signature = _signature(path)
                what = _wrong(segment, path, signature)
            if what or signature is None:
                self._sound.pop(segment.path, None)
                logger.error("warehouse.segment.damaged", extra={"path": segment.path, "reason": what})
                raise SegmentDamaged(segment.path, what)
            self._sound[segment.path] = signature


def _wrong(segment: Listed, path: Path, signature: Signature | None) -> str:
    """What is wrong with a file, in words; nothing where it is sound."""
    try:
        if signature is None:
            return "is missing"
        if signature[0] != segment.bytes:
            return f"is damaged: it has {signature[0]} bytes, should have {segment.bytes}"
        found = sha256_of(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == segment.sha256 else f"is damaged: its sha256 is {found}, should be {segment.sha256}"


def _signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino

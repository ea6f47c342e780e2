"""Segments in an S3-compatible bucket. Questions read them from a directory on this machine, which is a cache: a file is
fetched when it is first asked for, compared with its SHA-256, and kept as long as it is used and there is room.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quadra.core import clock
from quadra.core.durable import sha256_of
from quadra.core.errors import NotFound, Unavailable
from quadra.core.s3 import Bucket
from quadra.core.settings import Settings
from quadra.warehouse.segments.store import PARTIAL, LocalStore

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Files that are fetched at the same time."""
IN_USE_SECONDS = 3_600.0
"""What was used within so long may be open, in an export too, and stays however full the cache is."""
UNUSED_SECONDS = 86_400.0
"""What was not used for so long goes: it may be a replaced segment that still holds an erased person."""
TOUCH_SECONDS, TIDY_SECONDS = 60.0, 60.0


class S3Store(LocalStore):
    def __init__(self, settings: Settings, root: Path):
        super().__init__(root)
        self.bucket = Bucket(settings, settings.segment_s3)
        self._room = settings.segment_cache_mb * 2**20
        self._locks = [threading.Lock() for _ in range(64)]
        self._tidied_at = 0.0

    def publish(self, name: str) -> tuple[int, str]:
        """In the bucket first: what only this machine has is not there."""
        staged = self.root / (name + PARTIAL)
        stored = self.bucket.put(name, staged)
        try:
            staged.rename(self.root / name)
        except OSError as error:
            raise self.away(error) from error
        return stored.bytes, str(stored.sha256)

    def local(self, name: str) -> Path:
        path = self.root / name
        with self._locks[hash(name) % len(self._locks)]:  # a second question waits for the first one's fetching
            try:
                if (found := path.stat()).st_atime < time.time() - TOUCH_SECONDS:
                    # not the time of its last change: that says whether it must be compared with its hash again
                    os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
            except FileNotFoundError:
                self._fetch(name, path)
        return path

    def ready(self, names: Sequence[str]) -> list[Path]:
        self._tidy()
        if all((self.root / name).exists() for name in names):
            return [self.local(name) for name in names]
        with ThreadPoolExecutor(AT_ONCE, "fetch") as pool:
            return list(pool.map(self.local, names))

    def local_if_there(self, name: str) -> Path | None:
        path = self.root / name
        return path if path.exists() else None

    def drop_copy(self, name: str) -> bool:
        (self.root / name).unlink(missing_ok=True)
        return True

    def digest(self, name: str) -> tuple[int, str]:
        """Of the file in the bucket. A copy here that differs from it is dropped."""
        try:
            size, digest = self.bucket.digest(name)
        except NotFound as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
        path = self.root / name
        if path.exists() and sha256_of(path) != digest:
            logger.warning("warehouse.cached_segment.dropped", extra={"path": name})
            path.unlink(missing_ok=True)
        return size, digest

    def note(self, name: str, content: bytes) -> None:
        self.bucket.put_bytes(name, content)

    def notes(self, prefix: str) -> Iterator[bytes]:
        for found in self.bucket.list(prefix):
            yield self.bucket.get_bytes(found.name)

    def remove(self, name: str) -> None:
        if not name.endswith(PARTIAL):
            self.bucket.remove(name)
        super().remove(name)

    def older_than(self, seconds: float) -> Iterator[str]:
        for found in self.bucket.list():
            if found.name.endswith(".parquet") and (clock.now() - found.modified_at).total_seconds() >= seconds:
                yield found.name
        yield from self._older_than(seconds, f"*{PARTIAL}")

    def _fetch(self, name: str, path: Path) -> None:
        try:
            self.bucket.get(name, path)
        except NotFound as error:
            message = f"Segment {name} is not in the bucket; restore it from a backup."
            raise Unavailable(message, code="segment_missing", retry_after_seconds=60) from error

    def _tidy(self) -> None:
        """Make room: removes what was not used lately, the least recently used first."""
        now = time.time()
        if now - self._tidied_at < TIDY_SECONDS:
            return
        self._tidied_at = now
        kept = []
        for path in self.root.rglob("*.parquet"):
            try:
                facts = path.stat()
            except FileNotFoundError:  # another process tidies too
                continue
            kept.append((facts.st_atime, facts.st_size, path))
        size = sum(its for _at, its, _path in kept)
        for at, its, path in sorted(kept):
            if now - at < IN_USE_SECONDS or (size <= self._room and now - at < UNUSED_SECONDS):
                break
            path.unlink(missing_ok=True)
            size -= its

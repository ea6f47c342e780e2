"""Answers of this process, kept as long as the events that they were made of stay the same.

What a statement reads is known exactly: files never change, a sealed batch only loses rows, and an open one is looked at
byte by byte. All of that is in the key, so an answer is found again only where asking again gives the same one; nothing
has to be told that it is out of date.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from quadra.core.observing.metrics import counter
from quadra.warehouse.query.snapshot import Look

T = TypeVar("T")

BYTES_MOST = 32 * 2**20
ONE_MOST = BYTES_MOST // 8
"""A larger answer is not kept: it costs the others their places."""
UNUSED_SECONDS = 600.0
"""What nobody asked for so long goes: it may name people who were erased meanwhile."""

answers_total = counter("answers_total", "Statements of questions, by whether their answer was kept.", ("kept",))


@dataclass
class _Kept(Generic[T]):
    value: T
    bytes: int
    used: float


class AnswerCache:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Kept[object]] = OrderedDict()
        self._made: dict[bytes, threading.Event] = {}
        """What is being made just now: whoever asks for the same waits for it instead of doing the same."""
        self._bytes = 0

    def of(self, look: Look, who: bool, asked: Sequence[object], make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What `make` makes, or made before of the same events. `asked` says all that it depends on beside them; with `who`
        it depends on who is one person too. Both are told apart by their `repr`. Nobody changes what they get.
        """
        state = look.state(who)
        if state is None:
            return make()
        key = hashlib.blake2b(repr((state, asked)).encode("utf-8", "surrogatepass")).digest()
        kept, first = self._found(key), False
        if kept is None:
            with self._lock:
                first = key not in self._made
                making = self._made.setdefault(key, threading.Event())
            if not first and making.wait(look.timeout):
                kept = self._found(key)
        answers_total.labels("no" if kept is None else "yes").inc()
        if kept is not None:
            value: T = kept.value  # type: ignore[assignment]  # a key says which kind of answer it is of
            return value
        try:
            made = make()
            self._keep(key, made, size(made))
            return made
        finally:
            if first:
                self._made.pop(key).set()

    @property
    def size(self) -> int:
        return self._bytes

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _found(self, key: bytes) -> _Kept[object] | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                kept.used = time.monotonic()
                self._kept.move_to_end(key)
            self._drop()
            return kept

    def _keep(self, key: bytes, value: object, size: int) -> None:
        if size > ONE_MOST:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += size - (before.bytes if before is not None else 0)
            self._kept[key] = _Kept(value, size, time.monotonic())
            self._drop()

    def _drop(self) -> None:
        """The oldest come first."""
        until = time.monotonic() - UNUSED_SECONDS
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if oldest.used > until and self._bytes <= BYTES_MOST:
                return
            del self._kept[key]
            self._bytes -= oldest.bytes

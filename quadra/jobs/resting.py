"""When a kind whose jobs are done together is claimed again.

What such jobs have in common costs several times as much as one of them. So the more of them one claim found, the longer the
next one waits: below ten a second each is claimed at once, and where more come, those of half a second are done in one turn.
"""

from __future__ import annotations

import time

EACH_SECONDS, MOST_SECONDS = 0.1, 0.5
LOOK_SECONDS = 0.1
"""Between two looks for other kinds while one rests: each batch that is sealed wakes the worker."""


class Rests:
    """Of one thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def begin(self, kind: str, found: int) -> None:
        """So many jobs of a kind were just claimed."""
        self._until[kind] = time.monotonic() + min(found * EACH_SECONDS, MOST_SECONDS)

    def left(self) -> dict[str, float]:
        """Kind -> seconds until it may be claimed. Left out where it may be now."""
        now = time.monotonic()
        return {kind: until - now for kind, until in self._until.items() if until > now}

    def pause(self) -> float:
        """Seconds until the next look."""
        left = self.left()
        return min(LOOK_SECONDS, *left.values()) if left else 0.0

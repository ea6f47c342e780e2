"""The connections of this process: how many there may be, from whom, and how long each may take to say what it wants.

Both servers report where each connection is; one sweep a second closes who is late, so that no request pays for a timer.
Where there is no room, who has waited longest without saying anything is closed: strangers who only hold connections open
keep nobody out.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from quadra.core.errors import QuadraError
from quadra.core.networks import Networks, is_among
from quadra.core.settings import Settings

BUSY, HEADER, BODY, IDLE = range(4)
MOST = 20_000
RESERVE = 256
"""Open files for everything that is no connection: the database, segments, logs."""
MOST_FILES = 1_048_576


class TooSlow(QuadraError):
    """The body took too long to arrive; send it again."""

    code = "too_slow"
    status = 408


class Bounds(NamedTuple):
    """Seconds for the header, the body, and between two requests; connections of one address, and of all."""

    header: float = 30
    body: float = 60
    idle: float = 120
    each: int = 0
    most: int = MOST
    trusted: Networks = ()


class Connection:
    """One connection. Assigning `phase` and `since` is all that a request costs."""

    __slots__ = ("address", "late", "phase", "shut", "since")

    def __init__(self, address: str, shut: Callable[[], None]):
        self.address = address
        self.shut = shut
        self.late = False
        self.now(HEADER)

    def now(self, phase: int) -> None:
        self.phase = phase
        self.since = time.monotonic()


class Connections:
    def __init__(self, bounds: Bounds):
        self._bounds = bounds
        self._seconds = {HEADER: bounds.header, BODY: bounds.body, IDLE: bounds.idle}
        self._all: set[Connection] = set()
        self._each: Counter[str] = Counter()

    def admit(self, address: str, shut: Callable[[], None]) -> Connection | None:
        """A place for a connection; None where its address, or the process, has as many as it may."""
        bounds = self._bounds
        if bounds.each and self._each[address] >= bounds.each and not is_among(address, bounds.trusted):
            return None
        if len(self._all) >= bounds.most and not self.make_room():
            return None
        found = Connection(address, shut)
        self._all.add(found)
        self._each[address] += 1
        return found

    def leave(self, connection: Connection) -> None:
        """Must be called when a connection ends: `shut` holds on to it, and files stay open until the collector comes."""
        connection.shut = _nothing
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection in self._all:
            self._all.discard(connection)
            self._each[connection.address] -= 1
            if not self._each[connection.address]:
                del self._each[connection.address]

    def make_room(self) -> int:
        """Close a tenth of those who have said nothing for longest; how many."""
        waiting = sorted((one for one in self._all if one.phase in (HEADER, IDLE)), key=lambda one: one.since)
        gone = waiting[: max(1, len(waiting) // 10)]
        for connection in gone:
            self._close(connection)
        return len(gone)

    def sweep(self) -> None:
        """Close who is late."""
        now = time.monotonic()
        for connection in [one for one in self._all if one.phase]:
            if now - connection.since > self._seconds[connection.phase]:
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        connection.late = True
        if connection.phase != BODY:  # that one is told so: its request has a door that answers
            self._forget(connection)
        connection.shut()


def _nothing() -> None:
    """What is closed needs no shutting."""


def bounds_of(settings: Settings) -> Bounds:
    most = min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE)
    return Bounds(
        header=settings.header_timeout.total_seconds(),
        body=settings.body_timeout.total_seconds(),
        idle=settings.idle_timeout.total_seconds(),
        each=settings.connections_per_address,
        most=max(16, most),
        trusted=settings.trusted_proxies,
    )


def raise_file_limit() -> tuple[int, int]:
    """Let this process open as many files as it may. (soft, hard) afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)

"""What a process holds while it runs: settings, database, loop, threads, and what each room keeps once for the whole process.

Made once by a door and handed down. Nothing that lives as long as the process is kept anywhere else.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct

from quadra import __version__
from quadra.core.bus import NoBus, make_bus
from quadra.core.database import Database
from quadra.core.ids import process_name
from quadra.core.settings import Settings
from quadra.core.web.loop import Loop, Threads
from quadra.core.web.served import Listener

T = TypeVar("T")


class Deployed(Struct, kw_only=True):
    """Which release serves, and how deployments went."""

    current: str = __version__
    status: str = "not_managed"
    recovery_attempts: int = 0
    total: int = 0
    successful: int = 0
    failed: int = 0


@dataclass
class Runtime:
    settings: Settings
    database: Database
    batch_kinds: Mapping[str, int] = field(default_factory=dict)
    """The kinds of job that each sealed batch gets, and their priorities. A process that was told none leaves them to the
    workers, which add what is missing."""
    backfilled: Collection[str] = ()
    """Those of them that batches get too which were sealed before the kind existed."""

    on_start: list[Callable[[], object]] = field(default_factory=list)
    """Called in this order when a web process begins to serve, on the event loop."""
    on_stop: list[Callable[[], object]] = field(default_factory=list)
    """Called in this order when it stops: whoever still has something to say comes before what it says it over."""
    on_served: list[Listener] = field(default_factory=list)
    """Told of each request that was answered."""
    on_flush: list[Callable[[], object]] = field(default_factory=list)
    """Called when somebody has sealed what is open and is about to wait for it: jobs that would be enqueued later are now."""
    on_loop: set[str] = field(default_factory=set)
    """The paths whose requests stay on the event loop."""
    apart: dict[str, Threads] = field(default_factory=dict)
    """Paths whose requests have threads of their own."""
    counted_in: Callable[[], str] | None = None
    """Says where rate limits are counted at present: `redis` or `memory`. None where this process counts none."""
    deployed: Callable[[], Deployed] | None = None
    """Says for `/status` which release serves and how deployments went. None where this process knows of none."""
    serves: bool = False
    """Whether it answers HTTP."""
    draining: bool = False
    """Told to stop and still serving, until balancers have turned away."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._parts: dict[Any, Any] = {}
        weakref.finalize(
            self, _close, self._parts
        )  # at the end of Python too: DuckDB complains about what is still open

    def the(self, make: Callable[[Runtime], T]) -> T:
        """The one thing of this process that `make` makes; made when somebody first asks for it. Safe on any thread."""
        with self._lock:
            if make not in self._parts:
                self._parts[make] = make(self)
            made: T = self._parts[make]
            return made

    def keep(self, thing: object) -> None:
        """Keep what a door or a room made, for those who ask for it by its class."""
        with self._lock:
            self._parts[type(thing)] = thing

    def kept(self, kind: type[T]) -> T:
        """What `keep` was given of this class. A `LookupError` where it was given none: this process has none."""
        found: T = self._parts[kind]
        return found

    def close(self) -> None:
        """Close what rooms keep, and the database. What is asked for afterwards is made anew."""
        with self._lock:
            _close(self._parts)
        self.database.dispose()

    @cached_property
    def name(self) -> str:
        """The name of this process; no other one has it."""
        return process_name()

    @cached_property
    def loop(self) -> Loop:
        """The event loop; only web processes have one."""
        return Loop(self.settings.async_mode)

    @cached_property
    def bus(self) -> NoBus:
        """Messages to and from the other processes; the door that serves starts it."""
        return make_bus(self.settings, self.name)

    @cached_property
    def threads(self) -> Threads:
        """Native threads for whole requests and anything else that blocks, except the writer, which has its own."""
        return Threads(self.loop, 12, "request")

    @cached_property
    def probes(self) -> Threads:
        """Threads for health checks alone: they must answer while everything else hangs."""
        return Threads(self.loop, 2, "probe")


def build(settings: Settings) -> Runtime:
    return Runtime(settings=settings, database=Database(settings.database_url, newer_schema=settings.rollout_schema))


def _close(parts: dict[Any, Any]) -> None:
    """The newest first: it may stand on older ones."""
    while parts:
        _, part = parts.popitem()
        if callable(close := getattr(part, "close", None)):
            close()

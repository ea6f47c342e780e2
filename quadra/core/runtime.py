"""What a process holds while it runs: settings, database, loop, threads. Made once by a door and handed down."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cached_property

from flask import current_app

from quadra.core.bus import NoBus, make_bus
from quadra.core.database import Database
from quadra.core.ids import uuid7
from quadra.core.loop import Loop, Threads
from quadra.core.settings import Settings


@dataclass
class Runtime:
    settings: Settings
    database: Database
    draining: bool = False
    """Told to stop and still serving, until balancers have turned away."""

    @cached_property
    def name(self) -> str:
        """Of this process, and of no other one."""
        return f"{socket.gethostname()[:50]}:{os.getpid()}:{uuid7()[-12:]}"

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
    return Runtime(settings=settings, database=Database(settings.database_url))


def runtime() -> Runtime:
    """The runtime of the Flask app that serves the current request."""
    found: Runtime = current_app.extensions["quadra"]
    return found

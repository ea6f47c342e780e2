"""What a room gives to the web, in one shape: its `room.py` is a `Room`, and `quadra/app.py` lists them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from flask import Blueprint, Flask

from quadra.core.runtime import Runtime


class Room(Protocol):
    @property
    def BLUEPRINTS(self) -> tuple[Blueprint, ...]:  # noqa: N802
        """Its HTTP doors."""


@runtime_checkable
class NeedsSetUp(Protocol):
    def set_up(self, app: Flask, runtime: Runtime, /) -> None:
        """Whatever else it needs in a web process: socket handlers, gauges, what starts and stops with the process."""


def open_rooms(app: Flask, runtime: Runtime, *rooms: Room) -> None:
    """Put rooms into `app`, in this order: it is the one in which they start, and stop."""
    for room in rooms:
        for blueprint in room.BLUEPRINTS:
            app.register_blueprint(blueprint)
        if isinstance(room, NeedsSetUp):
            room.set_up(app, runtime)

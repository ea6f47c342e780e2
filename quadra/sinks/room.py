"""The sinks room in a web process: its routes. The delivering itself is the worker's."""

from __future__ import annotations

from functools import partial

from flask import Flask

from quadra.core.api.openapi import Group
from quadra.core.runtime import Runtime
from quadra.sinks import routes
from quadra.sinks.registry import SINKS, check_addresses, say_what_is_missing
from quadra.sinks.upkeep import plan

BLUEPRINTS = (routes.doors.blueprint,)

GROUPS = (
    Group(
        title="Sinks",
        says=f"Sealed batches leave for other systems: {', '.join(sink.title for sink in SINKS)}. "
        "Reading is for viewers, deciding for editors.",
        doors=tuple(routes.doors.described),
    ),
)


def set_up(_app: Flask, runtime: Runtime) -> None:
    check_addresses(runtime.settings)
    runtime.on_flush.append(partial(plan, runtime, gather=False))
    runtime.on_start.append(partial(say_what_is_missing, runtime.settings))

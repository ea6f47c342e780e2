"""The sinks room in a web process: its routes. The delivering itself is the worker's."""

from __future__ import annotations

from functools import partial

from flask import Flask

from quadra.core.runtime import Runtime
from quadra.sinks import routes
from quadra.sinks.registry import check_addresses, say_what_is_missing
from quadra.sinks.upkeep import plan

BLUEPRINTS = (routes.doors.blueprint,)


def set_up(_app: Flask, runtime: Runtime) -> None:
    check_addresses(runtime.settings)
    runtime.on_flush.append(partial(plan, runtime, gather=False))
    runtime.on_start.append(partial(say_what_is_missing, runtime.settings))

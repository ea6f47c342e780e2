"""Put the health room into a process: checks that can be asked, and their doors in a web process."""

from __future__ import annotations

from flask import Flask

from quadra.core.database import Database
from quadra.core.loop import Threads
from quadra.core.runtime import Runtime
from quadra.health import history, routes
from quadra.health.checks import CHECKS
from quadra.health.observing import WorkerTurn
from quadra.health.readiness import Readiness
from quadra.health.runner import Runner
from quadra.health.scene import Scene

_runners: dict[Database, Runner] = {}
"""Of the worker in this process: one for each database, in practice one. It remembers which checks hang."""
_turns: dict[Database, WorkerTurn] = {}


def threads(runtime: Runtime) -> Threads:
    """For the doors that run checks: a request that hangs in the database must not keep them from answering."""
    return Threads(runtime.loop, 4, "health")


def set_up(app: Flask, runtime: Runtime) -> None:
    """Wire the room into `app`."""
    scene = Scene(runtime, "web")
    app.extensions[routes.RUNNER] = Runner(scene, CHECKS)
    app.extensions[routes.READINESS] = Readiness(runtime.database)
    app.register_blueprint(routes.blueprint)
    app.extensions["quadra.on_start"].append(scene.machine.start)
    app.extensions["quadra.on_stop"].append(scene.machine.stop)


def keep_report(runtime: Runtime) -> None:
    """A worker's turn: look, and keep what was found for whoever asks later. Raises `Unavailable`."""
    runner = _runners.get(runtime.database)
    if runner is None:
        scene = Scene(runtime, "worker")
        scene.machine.start()
        runner = _runners[runtime.database] = Runner(scene, CHECKS)
    history.keep(runtime, runner)


def observe(runtime: Runtime) -> None:
    """A worker's turn: store what it noted about itself. Raises `Unavailable`."""
    if not runtime.settings.self_observe:
        return
    turn = _turns.get(runtime.database)
    if turn is None:
        turn = _turns[runtime.database] = WorkerTurn(runtime)
    turn()

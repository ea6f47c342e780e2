"""The backup room in a web process: replicas, backups, and the gauge of what is kept. Taking them is the worker's."""

from __future__ import annotations

from flask import Flask

from quadra.backup import backup_routes, routes
from quadra.backup.kept_metrics import KeptBackups
from quadra.core.runtime import Runtime
from quadra.core.scrape import Scrape

BLUEPRINTS = (routes.blueprint, backup_routes.blueprint)


def set_up(_app: Flask, runtime: Runtime) -> None:
    runtime.kept(Scrape).live.append(KeptBackups(runtime.settings))

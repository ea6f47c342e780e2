"""Releases in a web process: doors and figures. What is done, the watcher does (`watching.py`)."""

from __future__ import annotations

from flask import Flask

from quadra.core.observing.scrape import Scrape
from quadra.core.runtime import Runtime
from quadra.rollout import routes
from quadra.rollout.telling import Releases

BLUEPRINTS = (routes.doors.blueprint,)


def set_up(_app: Flask, runtime: Runtime) -> None:
    releases = runtime.the(Releases)
    runtime.deployed = releases.status
    runtime.kept(Scrape).live.append(releases.figures)

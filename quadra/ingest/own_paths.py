"""The tracker and its events under paths that the operator names: lists of blockers know the usual ones."""

from __future__ import annotations

from flask import Blueprint, Flask
from werkzeug.routing import Map

from quadra.core.errors import Misconfigured
from quadra.core.settings import Settings
from quadra.ingest import tracker
from quadra.ingest.doors import routes

NAME = "ingest_own_paths"


def set_up(app: Flask, settings: Settings) -> None:
    own = Blueprint(NAME, __name__)
    own.after_request(routes.allow_origins)
    if settings.tracker_path:
        own.add_url_rule(settings.tracker_path, view_func=tracker.tracker)
    if settings.tracker_events_path:  # the events themselves do not reach Flask
        own.add_url_rule(
            settings.tracker_events_path,
            view_func=routes.preflight,
            methods=["OPTIONS"],
            provide_automatic_options=False,
        )
    app.register_blueprint(own)


def check(app: Flask, settings: Settings) -> None:
    """Once all doors are there. Raises `Misconfigured` for a path that is one of them: nobody came there any more."""
    given = {"TRACKER_PATH": settings.tracker_path, "TRACKER_EVENTS_PATH": settings.tracker_events_path}
    if not any(given.values()):
        return  # a map of all doors takes a third of a start
    doors = Map([rule.empty() for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(f"{NAME}.")])
    for name, path in given.items():
        is_socket = path.startswith(f"/{settings.socket_path}")
        if path and (is_socket or doors.bind("localhost").allowed_methods(path)):
            raise Misconfigured(f"QUADRA_{name}={path} is a path of Quadra's own. Name another one, such as /stats.js.")
    if settings.tracker_path and settings.tracker_path == settings.tracker_events_path:
        raise Misconfigured("QUADRA_TRACKER_PATH and QUADRA_TRACKER_EVENTS_PATH are the same. Name two paths.")

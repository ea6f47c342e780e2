"""The tracker and its events under paths that the operator names: lists of blockers know the usual ones."""

from __future__ import annotations

from flask import Blueprint, Flask

from quadra.core.settings import Settings
from quadra.ingest import tracker
from quadra.ingest.doors import routes


def set_up(app: Flask, settings: Settings) -> None:
    own = Blueprint("ingest_own_paths", __name__)
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

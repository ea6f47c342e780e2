"""Put the lenses into a web process: their questions, the views that people keep of them, and the links to those."""

from __future__ import annotations

from flask import Flask

from quadra.analytics import business_routes, export_routes, resolving_routes, routes
from quadra.analytics.views import saved_view_routes, share_routes


def set_up(app: Flask) -> None:
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(export_routes.blueprint)
    app.register_blueprint(saved_view_routes.blueprint)
    app.register_blueprint(share_routes.blueprint)
    app.register_blueprint(resolving_routes.blueprint)
    app.register_blueprint(business_routes.blueprint)

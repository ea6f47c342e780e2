"""The field in a web process: its doors. Learning and training are the worker's."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.field import predict_routes, routes, shown_routes
from quadra.field.predict_routes import DOOR

BLUEPRINTS = (routes.doors.blueprint, predict_routes.blueprint, shown_routes.doors.blueprint)

GROUPS = (
    Group(
        title="The field",
        says="The model of normal traffic: training it, its versions, and how events compare with it.",
        doors=(*routes.doors.described, DOOR, *shown_routes.doors.described),
    ),
)

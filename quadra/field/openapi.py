"""The doors of the field, described."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.field import routes, shown_routes
from quadra.field.predict_routes import DOOR

FIELD = Group(
    title="The field",
    says="The model of normal traffic: training it, its versions, and how events compare with it.",
    doors=(*routes.doors.described, DOOR, *shown_routes.doors.described),
)
GROUPS = (FIELD,)

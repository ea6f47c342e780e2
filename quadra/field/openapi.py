"""The doors of the field, described."""

from __future__ import annotations

from quadra.core.api.openapi import Group
from quadra.field.predict_routes import DOOR
from quadra.field.routes import doors

FIELD = Group(
    title="The field",
    says="The model of normal traffic: training it, its versions, and how events compare with it.",
    doors=(*doors.described, DOOR),
)
GROUPS = (FIELD,)

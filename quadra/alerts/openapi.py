"""The doors of channels and alerts, as a group of the description."""

from __future__ import annotations

from quadra.alerts import alert_routes, channel_routes
from quadra.alerts.kind_list import KINDS
from quadra.core.api.openapi import Group

GROUPS = (
    Group(
        title="Alerts",
        says="People are told when a condition holds, and once more when it does not any longer. Kinds of conditions: "
        + " · ".join(f"`{kind.name}`: {kind.says}" for kind in KINDS),
        doors=(*channel_routes.doors.described, *alert_routes.doors.described),
    ),
)

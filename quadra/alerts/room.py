"""The alerts room in a web process: its routes. Evaluating and sending are the worker's."""

from __future__ import annotations

from quadra.alerts import alert_routes, channel_routes
from quadra.alerts.kind_list import KINDS
from quadra.alerts.reports import report_routes, unsubscribe_routes
from quadra.core.api.openapi import Group

BLUEPRINTS = (
    channel_routes.doors.blueprint,
    alert_routes.doors.blueprint,
    report_routes.doors.blueprint,
    unsubscribe_routes.doors.blueprint,
)

GROUPS = (
    Group(
        title="Alerts",
        says="People are told when a condition holds, and once more when it does not any longer. Kinds of conditions: "
        + " · ".join(f"`{kind.name}`: {kind.says}" for kind in KINDS),
        doors=(*channel_routes.doors.described, *alert_routes.doors.described),
    ),
    Group(
        title="Reports",
        says="A page or a saved view by mail, each day, week or month, at a time of day of a time zone.",
        doors=(*report_routes.doors.described, *unsubscribe_routes.doors.described),
    ),
)

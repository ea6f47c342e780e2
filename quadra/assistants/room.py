"""Tools for assistants in a web process: one door."""

from __future__ import annotations

from quadra.assistants import routes
from quadra.core.api.openapi import Group

BLUEPRINTS = (routes.doors.blueprint,)

GROUPS = (
    Group(
        title="Assistants",
        says="Every question as a read-only tool of the Model Context Protocol (docs/assistants.md).",
        doors=(*routes.doors.described,),
    ),
)

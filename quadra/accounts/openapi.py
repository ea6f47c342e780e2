"""The doors of accounts, as groups of the description."""

from __future__ import annotations

from quadra.accounts import audit_routes, login_routes, me_routes, password_links, project_routes, user_routes
from quadra.core.api.openapi import Group

GROUPS = (
    Group(
        title="Log in",
        says="For people. Programs send a key instead: `Authorization: Bearer qk_…`.",
        doors=tuple(login_routes.doors.described),
    ),
    Group(
        title="Your account",
        says="For people: who logs in with a password also has sessions, and may have a second factor.",
        doors=tuple(me_routes.doors.described),
    ),
    Group(
        title="Projects and keys",
        says=(
            "A project is what events belong to. A **write key** sends events and nothing else, so it is safe in a page; "
            "a **read key** asks questions about its project; an **admin key** may do everything an admin may."
        ),
        doors=tuple(project_routes.doors.described),
    ),
    Group(
        title="Users",
        says="Everybody who may log in. For admins.",
        doors=(*user_routes.doors.described, *password_links.doors.described),
    ),
    Group(title="Audit log", says="For admins of the installation.", doors=tuple(audit_routes.doors.described)),
)

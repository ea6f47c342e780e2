"""The accounts room in a web process: session cookies, limits, routes."""

from __future__ import annotations

from flask import Blueprint, Flask, request

from quadra.accounts import (
    audit_routes,
    login_routes,
    me_routes,
    member_routes,
    password_links,
    project_routes,
    sessions,
    user_routes,
)
from quadra.accounts.access import counted_as, require_role
from quadra.accounts.login_pages import pages
from quadra.accounts.openid_pages import pages as openid_pages
from quadra.accounts.setup import secret_key
from quadra.core.api.doors import GATE
from quadra.core.api.openapi import Group
from quadra.core.runtime import Runtime
from quadra.core.web import limits

accounts = Blueprint("accounts", __name__)
for _blueprint in (
    pages,
    openid_pages,
    login_routes.doors.blueprint,
    me_routes.doors.blueprint,
    user_routes.doors.blueprint,
    password_links.doors.blueprint,
    project_routes.doors.blueprint,
    member_routes.doors.blueprint,
    audit_routes.doors.blueprint,
):
    accounts.register_blueprint(_blueprint)

BLUEPRINTS = (accounts,)

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
        title="People of a project",
        says="A role in a project counts there instead of the one on the installation.",
        doors=tuple(member_routes.doors.described),
    ),
    Group(
        title="Users",
        says="Everybody who may log in, and their role on the installation. For admins of it.",
        doors=(*user_routes.doors.described, *password_links.doors.described),
    ),
    Group(title="Audit log", says="For admins of the installation.", doors=tuple(audit_routes.doors.described)),
)


def set_up(app: Flask, runtime: Runtime) -> None:
    """The database has its tables by now. Requests that stay on the event loop are not counted: that may wait for Redis."""
    with runtime.database.begin() as session:
        secret = secret_key(session, runtime.settings)
    sessions.set_up(app, secret=secret)
    app.extensions[GATE] = require_role
    limits.set_up(app, runtime.settings, exempt=lambda: request.path in runtime.on_loop, who=counted_as)
    runtime.counted_in = limits.counted_in

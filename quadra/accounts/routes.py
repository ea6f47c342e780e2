"""The HTTP doors of the room, as one blueprint."""

from __future__ import annotations

from flask import Blueprint

from quadra.accounts import (
    audit_routes,
    login_routes,
    me_routes,
    member_routes,
    password_links,
    project_routes,
    user_routes,
)
from quadra.accounts.login_pages import pages
from quadra.accounts.openid_pages import pages as openid_pages

accounts = Blueprint("accounts", __name__)
accounts.register_blueprint(pages)
accounts.register_blueprint(openid_pages)
for _doors in (
    login_routes.doors,
    me_routes.doors,
    user_routes.doors,
    password_links.doors,
    project_routes.doors,
    member_routes.doors,
    audit_routes.doors,
):
    accounts.register_blueprint(_doors.blueprint)

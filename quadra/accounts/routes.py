"""The HTTP doors of the room, as one blueprint."""

from __future__ import annotations

from flask import Blueprint

from quadra.accounts.login_routes import login
from quadra.accounts.project_routes import projects
from quadra.accounts.user_routes import users

accounts = Blueprint("accounts", __name__)
accounts.register_blueprint(login)
accounts.register_blueprint(users)
accounts.register_blueprint(projects)

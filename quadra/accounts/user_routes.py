"""Who has an account. All for admins, except registering where the installation is open to strangers."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import Caller, caller, require
from quadra.accounts.bodies import text, user_body, user_details
from quadra.accounts.csrf import refuse_foreign_form
from quadra.accounts.passwords import Hashed, hash_password
from quadra.accounts.users import create_user, disable, enable, get_user, list_users, set_password, set_role
from quadra.core.errors import Invalid, Unauthorised
from quadra.core.web.http import json_body, runtime
from quadra.core.web.limits import client_address, limiter

users = Blueprint("users", __name__)


def _is_admin() -> bool:
    found = caller()
    return found.may("admin") and found.projects is None


@users.post("/api/auth/register")
def register() -> ResponseReturnValue:
    """Make an account. An admin may give it a `role`; a stranger, where `registration_open`, becomes a viewer."""
    refuse_foreign_form()
    trusted = _is_admin()
    if not trusted and not runtime().settings.registration_open:
        if caller().kind == "stranger":
            raise Unauthorised("Nobody can register here by themselves. An admin can make you an account.")
        require("admin")
    body = json_body()
    role = text(body, "role", "viewer")
    if not trusted and role != "viewer":
        require("admin")
    return _register(caller(), text(body, "email"), text(body, "password"), text(body, "name", ""), role)


@limiter.limit("5/minute", scope="register", exempt_when=_is_admin)
def _register(by: Caller, email: str, password: str, name: str, role: str) -> ResponseReturnValue:
    hashed = hash_password(password, email=email, name=name)
    with runtime().database.begin() as session:
        user = create_user(session, email=email, password=hashed, role=role, name=name)
        audit.record(
            session, actor=by.actor, action="accounts.user.created", subject=user.email, address=client_address()
        )
    return {"user": user_body(user)}, 201


def _hash_for(user_id: int, password: str) -> Hashed:
    with runtime().database.read() as session:
        user = get_user(session, user_id)
    return hash_password(password, email=user.email, name=user.name)


@users.get("/api/users")
def show_users() -> ResponseReturnValue:
    """Everybody who has an account."""
    require("admin")
    with runtime().database.read() as session:
        return {"users": [user_details(user) for user in list_users(session)]}


@users.post("/api/users/<int(max=2147483647):user_id>")
def change_user(user_id: int) -> ResponseReturnValue:
    """Change `role`, `disabled` or `password` of an account. The last admin keeps both role and account."""
    by = require("admin")
    body = json_body()
    role, password, disabled = text(body, "role", None), text(body, "password", None), body.get("disabled")
    if not isinstance(disabled, bool | None):
        raise Invalid("A field has the wrong type.", fields={"disabled": "true or false"})
    hashed = None if password is None else _hash_for(user_id, password)
    user = None
    changed: dict[str, object] = {}
    with runtime().database.begin() as session:
        if role is not None:
            user, changed["role"] = set_role(session, user_id=user_id, role=role), role
        if disabled is not None:
            user = disable(session, user_id=user_id) if disabled else enable(session, user_id=user_id)
            changed["disabled"] = disabled
        if hashed is not None:
            user, changed["password"] = set_password(session, user_id=user_id, password=hashed), "changed"
        if user is None:
            raise Invalid("Say what to change: role, disabled or password.")
        audit.record(
            session,
            actor=by.actor,
            action="accounts.user.changed",
            subject=user.email,
            address=client_address(),
            details=changed,
        )
        return {"user": user_details(user)}

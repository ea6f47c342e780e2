"""Who has an account. All for admins, except registering where the installation is open to strangers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from quadra.accounts import audit, second_factor
from quadra.accounts.access import caller, require
from quadra.accounts.answers import Email, Name, TheUser, TheUserDetails, UserId, Users, user_details, user_shown
from quadra.accounts.callers import Caller
from quadra.accounts.csrf import refuse_foreign_form
from quadra.accounts.members import roles_by_project
from quadra.accounts.passwords import Hashed, NewPassword, hash_password
from quadra.accounts.tables import InstallationRole
from quadra.accounts.users import create_user, disable, enable, get_user, list_users, set_password, set_role
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params
from quadra.core.errors import Invalid, Unauthorised
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address, limiter

doors = Doors("users", __name__)

OF_ALL = "A key can do this only where it is an admin key of the project `default`, which belongs to the installation."


class Registration(Struct, kw_only=True):
    email: Email
    password: Annotated[NewPassword, Meta(examples=["correct horse battery"])]
    name: Name = ""
    role: Annotated[
        InstallationRole,
        Meta(description="A stranger becomes a viewer. `none`: only in projects.", examples=["editor"]),
    ] = "viewer"


class UserChange(Struct, kw_only=True):
    role: Annotated[InstallationRole | None, Meta(examples=["editor"])] = None
    disabled: Annotated[bool | None, Meta(description="Who is disabled is logged out and cannot log in.")] = None
    password: NewPassword | None = None
    second_factor: Annotated[
        Literal["off"] | None, Meta(description="For who lost both app and recovery codes.", examples=["off"])
    ] = None


def _is_admin() -> bool:
    found = caller()
    return found.may("admin")


def _may_register() -> None:
    """Raises `Forbidden`, or `Unauthorised` for a stranger where the installation is not open."""
    refuse_foreign_form()
    if not _is_admin() and not runtime().settings.registration_open:
        if caller().kind == "stranger":
            raise Unauthorised("Nobody can register here by themselves. An admin can make you an account.")
        require("admin")


@doors(
    "POST",
    "/api/auth/register",
    title="Make an account",
    says="An admin may give it a role. A stranger may make themselves one only where `QUADRA_REGISTRATION_OPEN` is set, as a "
    "viewer, five times a minute.",
    needs="admin",
    gated=False,
    first=_may_register,
    asks=Params(Registration),
    answers=TheUser,
    answer_says="It is made.",
    status=201,
    refuses=(409, 429),
)
def register(asked: Registration) -> TheUser:
    if not _is_admin() and asked.role != "viewer":
        require("admin")
    return _register(caller(), asked)


@limiter.limit("5/minute", scope="register", exempt_when=_is_admin)
def _register(by: Caller, asked: Registration) -> TheUser:
    hashed = hash_password(asked.password, email=asked.email, name=asked.name)
    with runtime().database.begin() as session:
        user = create_user(session, email=asked.email, password=hashed, role=asked.role, name=asked.name)
        audit.record(
            session, actor=by.actor, action="accounts.user.created", subject=user.email, address=client_address()
        )
    return TheUser(user=user_shown(user))


@doors(
    "GET",
    "/api/users",
    title="List users",
    says=OF_ALL,
    needs="admin",
    answers=Users,
    answer_says="All of them.",
)
def show_users() -> Users:
    require("admin")
    with runtime().database.read() as session:
        roles = roles_by_project(session)
        return Users(users=[user_details(user, roles.get(user.id, {})) for user in list_users(session)])


@doors(
    "POST",
    "/api/users/{user_id}",
    title="Change a user",
    says="Role, password, whether the account is disabled, or its second factor off. The last admin keeps both role and account.",
    needs="admin",
    named={"user_id": Param(name="user_id", shape=UserId, example=2)},
    asks=Params(UserChange),
    answers=TheUserDetails,
    answer_says="It is changed.",
    refuses=(404, 409),
)
def change_user(asked: UserChange, user_id: int) -> TheUserDetails:
    by = require("admin")
    hashed = None if asked.password is None else _hash_for(user_id, asked.password)
    user = None
    changed: dict[str, object] = {}
    with runtime().database.begin() as session:
        if asked.role is not None:
            user, changed["role"] = set_role(session, user_id=user_id, role=asked.role), asked.role
        if asked.disabled is not None:
            user = disable(session, user_id=user_id) if asked.disabled else enable(session, user_id=user_id)
            changed["disabled"] = asked.disabled
        if hashed is not None:
            user, changed["password"] = set_password(session, user_id=user_id, password=hashed), "changed"
        if asked.second_factor is not None:
            user = user or get_user(session, user_id)
            second_factor.remove(session, user_id=user_id)
            changed["second_factor"] = asked.second_factor
        if user is None:
            raise Invalid("Say what to change: role, disabled, password or second_factor.")
        audit.record(
            session,
            actor=by.actor,
            action="accounts.user.changed",
            subject=user.email,
            address=client_address(),
            details=changed,
        )
        return TheUserDetails(user=user_details(user, roles_by_project(session).get(user.id, {})))


def _hash_for(user_id: int, password: str) -> Hashed:
    with runtime().database.read() as session:
        user = get_user(session, user_id)
    return hash_password(password, email=user.email, name=user.name)

"""Links by which people choose a password: for who is invited, and for who forgot theirs.

A link names a user and the epoch of the user's sessions, signed. A chosen password raises the epoch, so a link works once; so
do disabling the account and ending its sessions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer
from msgspec import Meta, Struct

from quadra.accounts import audit
from quadra.accounts.access import require
from quadra.accounts.answers import Email, Name, TheUser, User, UserId, user_shown
from quadra.accounts.logging_in import small_and_our_own
from quadra.accounts.passwords import NewPassword, hash_password, random_password
from quadra.accounts.tables import InstallationRole
from quadra.accounts.tables import User as UserRow
from quadra.accounts.users import create_user, get_user, set_password
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params
from quadra.core.errors import Conflict, Invalid, NotFound
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address, limiter

doors = Doors("password_links", __name__)
LASTS = timedelta(days=7)


class Invitation(Struct, kw_only=True):
    email: Email
    name: Name = ""
    role: Annotated[InstallationRole, Meta(description="In all projects.", examples=["editor"])] = "viewer"


class PasswordLink(Struct, kw_only=True):
    user: User
    url: Annotated[
        str,
        Meta(
            description="Give it to that person alone. It works once. Only a path where `QUADRA_PUBLIC_URL` is not set.",
            examples=["https://quadra.example.com/set-password#WzIsMF0…"],
        ),
    ]
    expires_at: Time


class PasswordChoice(Struct, kw_only=True):
    token: Annotated[str, Meta(max_length=300, description="What stands behind the `#` of the link.")]
    new_password: Annotated[NewPassword, Meta(examples=["a better battery"])]


@doors(
    "POST",
    "/api/users/invite",
    title="Invite somebody",
    says="Makes an account without a password that anybody knows, and a link by which its owner chooses one within a week.",
    needs="admin",
    asks=Params(Invitation),
    answers=PasswordLink,
    answer_says="The link, shown only now.",
    status=201,
    refuses=(409,),
)
def invite(asked: Invitation) -> PasswordLink:
    by = require("admin")
    hashed = hash_password(random_password(), email=asked.email, name=asked.name)
    with runtime().database.begin() as session:
        user = create_user(session, email=asked.email, password=hashed, role=asked.role, name=asked.name)
        audit.record(
            session,
            actor=by.actor,
            action="accounts.user.invited",
            subject=user.email,
            address=client_address(),
            details={"role": user.role},
        )
        return link_to(user)


@doors(
    "POST",
    "/api/users/{user_id}/password-link",
    title="Make a link to choose a new password",
    says="For who forgot the password. It stays as it is until the link is used.",
    needs="admin",
    named={"user_id": Param(name="user_id", shape=UserId, example=2)},
    answers=PasswordLink,
    answer_says="The link, shown only now.",
    refuses=(404, 409),
)
def make_link(user_id: int) -> PasswordLink:
    by = require("admin")
    with runtime().database.begin() as session:
        user = get_user(session, user_id)
        if user.disabled_at is not None:
            raise Conflict("This account is disabled. Enable it first.")
        audit.record(
            session,
            actor=by.actor,
            action="accounts.user.password_link_made",
            subject=user.email,
            address=client_address(),
        )
        return link_to(user)


@doors(
    "POST",
    "/api/auth/password-link",
    title="Choose a password by a link",
    says="Ends every session of the account. Ten a minute for an address.",
    first=small_and_our_own,
    asks=Params(PasswordChoice),
    answers=TheUser,
    answer_says="It is chosen; log in with it.",
    refuses=(403, 429, 503),
)
def choose_password(asked: PasswordChoice) -> TheUser:
    return _choose(asked)


@limiter.limit("10/minute", scope="password-link")
def _choose(asked: PasswordChoice) -> TheUser:
    user_id, epoch = _read(asked.token)
    gone = Invalid(
        "This link was used, or it is too old. Ask an admin for a new one.", fields={"token": "a fresh link"}
    )
    try:
        with runtime().database.read() as session:
            user = get_user(session, user_id)
        if user.session_epoch != epoch or user.disabled_at is not None:
            raise gone
        hashed = hash_password(asked.new_password, email=user.email, name=user.name, field="new_password")
        with runtime().database.begin() as session:
            user = set_password(session, user_id=user_id, password=hashed, epoch=epoch)
            audit.record(
                session,
                actor=f"user:{user.email}",
                action="accounts.user.password_changed",
                subject=user.email,
                address=client_address(),
                details={"by": "link"},
            )
            return TheUser(user=user_shown(user))
    except (NotFound, Conflict) as error:
        raise gone from error


def link_to(user: UserRow) -> PasswordLink:
    """By which `user` chooses a password, once."""
    token = _serializer().dumps([user.id, user.session_epoch])
    url = f"{runtime().settings.public_url.rstrip('/')}/set-password#{token}"
    return PasswordLink(user=user_shown(user), url=url, expires_at=clock.iso(clock.now() + LASTS))


def _read(token: str) -> tuple[int, int]:
    try:
        user_id, epoch = _serializer().loads(token, max_age=int(LASTS.total_seconds()))
    except BadSignature as error:
        raise Invalid(
            "This link is not whole, or it is too old. Ask an admin for a new one.", fields={"token": "a fresh link"}
        ) from error
    return int(user_id), int(epoch)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="quadra password link")

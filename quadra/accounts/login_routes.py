"""In and out by JSON, and who one is."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct

from quadra.accounts import audit, sessions
from quadra.accounts.access import caller, person
from quadra.accounts.answers import Done, LoggedIn, Me, UsedKey, used_key, user_shown
from quadra.accounts.csrf import csrf_token
from quadra.accounts.logging_in import enter, leave, small_and_our_own, try_password
from quadra.accounts.passwords import NewPassword, Password, hash_password
from quadra.accounts.projects import list_projects
from quadra.accounts.users import set_password
from quadra.core.api.doors import Doors
from quadra.core.api.params import Params
from quadra.core.errors import Unauthorised
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address

doors = Doors("login", __name__)

TRIES = "Five tries a minute for an account and an address (setting `QUADRA_RATE_LIMIT_LOGIN`)."


class Login(Struct, kw_only=True):
    email: Annotated[str, Meta(examples=["ada@example.com"])]
    password: Annotated[Password, Meta(examples=["correct horse battery"])]
    code: Annotated[
        str,
        Meta(max_length=64, description="Of the authenticator app, or a recovery code, where the account has them."),
    ] = ""


class PasswordChange(Struct, kw_only=True):
    current_password: Annotated[Password, Meta(examples=["correct horse battery"])]
    new_password: Annotated[NewPassword, Meta(examples=["a better battery"])]


@doors(
    "POST",
    "/api/auth/login",
    title="Log in",
    says=f"Sets the session cookie. {TRIES} Where the account has a second factor, a login without `code` is refused as "
    "`second_factor_required`; each code is taken once.",
    first=small_and_our_own,
    asks=Params(Login),
    answers=LoggedIn,
    answer_says="You are logged in.",
    refuses=(401, 403, 429, 503),
)
def log_in(asked: Login) -> LoggedIn:
    user = enter(asked.email, asked.password, asked.code)
    return LoggedIn(user=user_shown(user), csrf_token=csrf_token())


@doors(
    "POST",
    "/api/auth/logout",
    title="Log out",
    says="Fine for somebody who is not logged in. With a session it needs the CSRF token.",
    answers=Done,
    answer_says="Nobody is logged in now.",
    refuses=(401, 403, 503),
)
def log_out() -> Done:
    leave()
    return Done(success=True)


@doors(
    "GET",
    "/api/auth/me",
    title="Who am I?",
    says="With which role, and which projects are to be seen. `csrf_token` is there for a session only.",
    needs="viewer",
    gated=False,
    answers=Me,
    example=Me(
        kind="key",
        role="viewer",
        projects=["shop"],
        roles={"shop": "viewer"},
        user=None,
        key=UsedKey(id=3, prefix="qk_Zm9vYmFy", scope="read", project="shop"),
    ),
    answer_says="Who is calling.",
)
def who_am_i() -> Me:
    who = caller()
    if who.kind == "stranger":
        raise Unauthorised
    with runtime().database.read() as session:
        found = [(one.slug, who.role_in(one.id)) for one in list_projects(session, ids=who.projects)]
    return Me(
        kind=who.kind,
        role=who.most,
        projects=[slug for slug, _role in found],
        roles={slug: role for slug, role in found if role is not None},
        user=None if who.user is None else user_shown(who.user),
        key=None if who.key is None else used_key(who.key),
        csrf_token=UNSET if who.user is None else csrf_token(),
    )


@doors(
    "POST",
    "/api/auth/password",
    title="Change your password",
    says=f"Every other session of yours ends; this one goes on. For people only: a key has no password. {TRIES}",
    needs="viewer",
    gated=False,
    first=person,
    asks=Params(PasswordChange),
    answers=LoggedIn,
    answer_says="It is changed; here is a new token.",
    refuses=(429,),
)
def change_password(asked: PasswordChange) -> LoggedIn:
    member = person()
    try_password(member.email, asked.current_password, known=True)
    hashed = hash_password(asked.new_password, email=member.email, name=member.name, field="new_password")
    with runtime().database.begin() as session:
        user = set_password(session, user_id=member.id, password=hashed)
        actor, address = f"user:{user.email}", client_address()
        audit.record(session, actor=actor, action="accounts.user.password_changed", subject=user.email, address=address)
        named = sessions.record_session(session, user)
    sessions.sign_in(user, named)
    return LoggedIn(user=user_shown(user), csrf_token=csrf_token())

"""The doors of accounts: logging in, people, projects and keys. A new route of this room is described here."""

from __future__ import annotations

from quadra.accounts import openapi_shapes as shapes
from quadra.accounts.openapi_projects import CREATED, OF_ALL, PROJECTS
from quadra.core.api.openapi import Answer, Body, Door, Group, Param

ADA = {"id": 2, "email": "ada@example.com", "name": "Ada", "role": "editor"}
ADA_DETAILS = ADA | {"disabled": False, "created_at": CREATED, "last_login_at": None}
ME = {
    "kind": "key",
    "role": "viewer",
    "projects": ["shop"],
    "user": None,
    "key": {"id": 3, "prefix": "qk_Zm9vYmFy", "scope": "read", "project": "shop"},
}
TOKEN = "kq0R1nT…"
TRIES = "Five tries a minute for an account and an address (setting `QUADRA_RATE_LIMIT_LOGIN`)."

LOGIN = Group(
    title="Log in",
    says="For people. Programs send a key instead: `Authorization: Bearer qk_…`.",
    doors=(
        Door(
            method="POST",
            path="/api/auth/login",
            title="Log in",
            says=f"Sets the session cookie. {TRIES}",
            body=Body(shape=shapes.Login, example={"email": "ada@example.com", "password": "correct horse battery"}),
            answers={
                200: Answer(
                    says="You are logged in.", shape=shapes.LoggedIn, example={"user": ADA, "csrf_token": TOKEN}
                )
            },
            refuses=(401, 403, 429, 503),
        ),
        Door(
            method="POST",
            path="/api/auth/logout",
            title="Log out",
            says="Fine for somebody who is not logged in. With a session it needs the CSRF token.",
            answers={200: Answer(says="Nobody is logged in now.", shape=shapes.Success, example={"success": True})},
            refuses=(401, 403, 503),
        ),
        Door(
            method="GET",
            path="/api/auth/me",
            title="Who am I?",
            says="With which role, and which projects are to be seen. `csrf_token` is there for a session only.",
            needs="viewer",
            answers={200: Answer(says="Who is calling.", shape=shapes.Me, example=ME)},
        ),
        Door(
            method="POST",
            path="/api/auth/password",
            title="Change your password",
            says=f"Every other session of yours ends. For people only: a key has no password. {TRIES}",
            needs="viewer",
            body=Body(
                shape=shapes.NewPassword,
                example={"current_password": "correct horse battery", "new_password": "a better battery"},
            ),
            answers={
                200: Answer(
                    says="It is changed; here is a new token.",
                    shape=shapes.LoggedIn,
                    example={"user": ADA, "csrf_token": TOKEN},
                )
            },
            refuses=(429,),
        ),
        Door(
            method="POST",
            path="/api/auth/register",
            title="Make an account",
            says=(
                "An admin may give it a role. A stranger may make themselves one only where "
                "`QUADRA_REGISTRATION_OPEN` is set, as a viewer, five times a minute."
            ),
            needs="admin",
            body=Body(
                shape=shapes.Registration,
                example={"email": "ada@example.com", "password": "correct horse battery", "role": "editor"},
            ),
            answers={201: Answer(says="It is made.", shape=shapes.TheUser, example={"user": ADA})},
            refuses=(409, 429),
        ),
    ),
)

USERS = Group(
    title="Users",
    says="Everybody who may log in. For admins.",
    doors=(
        Door(
            method="GET",
            path="/api/users",
            title="List users",
            says=OF_ALL,
            needs="admin",
            answers={200: Answer(says="All of them.", shape=shapes.Users, example={"users": [ADA_DETAILS]})},
        ),
        Door(
            method="POST",
            path="/api/users/{user_id}",
            title="Change a user",
            says="Role, password, or whether the account is disabled. The last admin keeps both role and account.",
            needs="admin",
            params=(Param(name="user_id", shape=shapes.Id, example=2),),
            body=Body(shape=shapes.UserChange, example={"role": "editor"}),
            answers={200: Answer(says="It is changed.", shape=shapes.TheUserDetails, example={"user": ADA_DETAILS})},
            refuses=(404, 409),
        ),
    ),
)

GROUPS = (LOGIN, PROJECTS, USERS)

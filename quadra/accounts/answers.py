"""What the doors of accounts answer, and how it is made of a row. A key itself is in the answer that made it and in no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from quadra.accounts import keys, tables
from quadra.accounts.projects import SLUG
from quadra.accounts.sessions import Member
from quadra.accounts.tables import InstallationRole, Role, Scope, WeekStart
from quadra.core import clock
from quadra.core.api.openapi import Time

Email = Annotated[str, Meta(max_length=254, examples=["ada@example.com"])]
Name = Annotated[str, Meta(max_length=200, examples=["Ada"])]
Slug = Annotated[str, Meta(min_length=1, pattern=f"^{SLUG.pattern}$", examples=["shop"])]
Zone = Annotated[str, Meta(description="A name such as Europe/Berlin.", examples=["Europe/Berlin"])]
UserId = Annotated[int, Meta(ge=0, le=2**31 - 1, examples=[2])]
KeyId = Annotated[int, Meta(ge=0, le=2**31 - 1, examples=[3])]
Prefix = Annotated[str, Meta(description="How the key begins.", examples=["qk_Zm9vYmFy"])]
Never = Annotated[Time | None, Meta(examples=[None])]
"""A time, or null for what has not happened."""


class User(Struct, kw_only=True):
    id: UserId
    email: Email
    name: Name
    role: Annotated[InstallationRole, Meta(description="In every project that gives no other.", examples=["editor"])]


class UserDetails(User, kw_only=True):
    disabled: Annotated[bool, Meta(examples=[False])]
    created_at: Time
    last_login_at: Never
    projects: Annotated[dict[Slug, Role], Meta(description="Roles in single projects.", examples=[{"shop": "admin"}])]


class Users(Struct, kw_only=True):
    users: list[UserDetails]


class TheUser(Struct, kw_only=True):
    user: User


class TheUserDetails(Struct, kw_only=True):
    user: UserDetails


class LoggedIn(Struct, kw_only=True):
    user: User
    csrf_token: Annotated[
        str, Meta(description="Repeat it as X-CSRF-Token on every method but GET.", examples=["kq0R1nT…"])
    ]


class UsedKey(Struct, kw_only=True):
    id: KeyId
    prefix: Prefix
    scope: Annotated[Scope, Meta(examples=["read"])]
    project: Slug


class Me(Struct, kw_only=True):
    kind: Annotated[Literal["session", "key"], Meta(examples=["key"])]
    role: Annotated[
        Role | None, Meta(description="The most you may anywhere; null for who may nothing.", examples=["viewer"])
    ]
    projects: Annotated[list[Slug], Meta(description="Those that you may see.")]
    roles: Annotated[dict[Slug, Role], Meta(description="In each of them.", examples=[{"shop": "viewer"}])]
    user: Annotated[User | None, Meta(description="With a session.", examples=[None])]
    key: Annotated[UsedKey | None, Meta(description="With a key.")]
    csrf_token: Annotated[str | UnsetType, Meta(description="With a session.")] = UNSET


class Done(Struct, kw_only=True):
    success: Literal[True]


class Project(Struct, kw_only=True):
    slug: Slug
    name: Annotated[str, Meta(max_length=200, examples=["Shop"])]
    timezone: Zone
    week_start: WeekStart
    created_at: Time


class MadeProject(Project, kw_only=True):
    project: Annotated[Slug, Meta(description="The slug once more.")]
    write_key: Annotated[str, Meta(description="Shown here and never again.", examples=["qk_…"])]


class Projects(Struct, kw_only=True):
    projects: list[Project]


class TheProject(Struct, kw_only=True):
    project: Project


class Key(Struct, kw_only=True):
    id: KeyId
    project: Slug
    scope: Annotated[Scope, Meta(examples=["read"])]
    name: Annotated[str, Meta(examples=["reports"])]
    prefix: Prefix
    origins: Annotated[list[str], Meta(description="Pages that may use it; none means any.", examples=[[]])]
    created_at: Time
    last_used_at: Never
    revoked_at: Never


class MadeKey(Key, kw_only=True):
    key: Annotated[str, Meta(description="The key itself, shown here and never again.", examples=["qk_…"])]


class Keys(Struct, kw_only=True):
    keys: list[Key]


class TheKey(Struct, kw_only=True):
    key: Key


def user_shown(user: tables.User | Member) -> User:
    return User(id=user.id, email=user.email, name=user.name, role=user.role)


def user_details(user: tables.User, projects: Mapping[str, Role]) -> UserDetails:
    return UserDetails(
        **structs.asdict(user_shown(user)),
        disabled=user.disabled_at is not None,
        created_at=clock.iso(user.created_at),
        last_login_at=clock.iso_or_none(user.last_login_at),
        projects=dict(projects),
    )


def used_key(key: keys.Key) -> UsedKey:
    return UsedKey(id=key.id, prefix=key.prefix, scope=key.scope, project=key.project_slug)


def key_shown(key: tables.ApiKey, project: tables.Project) -> Key:
    return Key(
        id=key.id,
        project=project.slug,
        scope=key.scope,
        name=key.name,
        prefix=key.prefix,
        origins=list(key.origins),
        created_at=clock.iso(key.created_at),
        last_used_at=clock.iso_or_none(key.last_used_at),
        revoked_at=clock.iso_or_none(key.revoked_at),
    )


def project_shown(project: tables.Project) -> Project:
    return Project(
        slug=project.slug,
        name=project.name,
        timezone=project.timezone,
        week_start=project.week_start,
        created_at=clock.iso(project.created_at),
    )

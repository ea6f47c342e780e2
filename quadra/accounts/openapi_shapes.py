"""What the doors of accounts take and answer, as types for their description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from quadra.accounts.passwords import LONGEST, SHORTEST
from quadra.accounts.projects import SLUG
from quadra.accounts.tables import ROLES, SCOPES, WEEK_STARTS
from quadra.core.api.openapi import Time

Email = Annotated[str, Meta(max_length=254, examples=["ada@example.com"])]
Password = Annotated[str, Meta(min_length=SHORTEST, max_length=LONGEST)]
Label = Annotated[str, Meta(max_length=200)]
Role = Annotated[str, Meta(extra_json_schema={"enum": list(ROLES)})]
Scope = Annotated[str, Meta(extra_json_schema={"enum": list(SCOPES)})]
Slug = Annotated[str, Meta(pattern=f"^{SLUG.pattern}$", examples=["shop"])]
WeekStart = Annotated[str, Meta(extra_json_schema={"enum": list(WEEK_STARTS)})]
Zone = Annotated[str, Meta(description="A name such as Europe/Berlin.", examples=["Europe/Berlin"])]


class User(Struct):
    id: int
    email: Email
    name: str
    role: Role


class UserDetails(User):
    disabled: bool
    created_at: Time
    last_login_at: Time | None


class Project(Struct):
    slug: Slug
    name: Label
    timezone: Zone
    week_start: WeekStart
    created_at: Time


class Key(Struct):
    """A key as lists show it: never the key itself."""

    id: int
    project: Slug
    scope: Scope
    name: str
    prefix: Annotated[str, Meta(description="How the key begins.")]
    origins: Annotated[list[str], Meta(description="Pages that may use it; none means any.")]
    created_at: Time
    last_used_at: Time | None
    revoked_at: Time | None


class UsedKey(Struct):
    id: int
    prefix: str
    scope: Scope
    project: Slug


class LoggedIn(Struct):
    user: User
    csrf_token: Annotated[str, Meta(description="Repeat it as X-CSRF-Token on every method but GET.")]


class Me(Struct):
    kind: Literal["session", "key"]
    role: Role | None
    projects: list[Slug]
    user: User | None
    key: UsedKey | None
    csrf_token: str | UnsetType = UNSET


class Success(Struct):
    success: Literal[True]


class Login(Struct):
    email: str
    password: str


class NewPassword(Struct):
    current_password: str
    new_password: Password


class Registration(Struct):
    email: Email
    password: Password
    name: Label | UnsetType | None = UNSET
    role: Role | UnsetType | None = UNSET


class UserChange(Struct):
    role: Role | UnsetType | None = UNSET
    disabled: bool | UnsetType | None = UNSET
    password: Password | UnsetType | None = UNSET


class NewProject(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    slug: Annotated[Slug | None, Meta(description="Made from the name where it is left out.")] | UnsetType = UNSET
    timezone: Zone | UnsetType | None = UNSET
    week_start: WeekStart | UnsetType | None = UNSET


class NewKey(Struct):
    scope: Scope
    project: Slug | UnsetType | None = UNSET
    name: Label | UnsetType | None = UNSET
    origins: Annotated[list[str], Meta(max_length=100, examples=[["https://*.example.com"]])] | UnsetType | None = UNSET


class MadeProject(Struct):
    slug: Slug
    name: Label
    timezone: Zone
    week_start: WeekStart
    created_at: Time
    project: Slug
    write_key: Annotated[str, Meta(description="Shown here and never again.")]


class MadeKey(Key):
    key: Annotated[str, Meta(description="The key itself, shown here and never again.")]


class TheUser(Struct):
    user: User


class TheUserDetails(Struct):
    user: UserDetails


class Users(Struct):
    users: list[UserDetails]


class Projects(Struct):
    projects: list[Project]


class Keys(Struct):
    keys: list[Key]


class TheKey(Struct):
    key: Key


Id: Any = Annotated[int, Meta(ge=0, le=2**31 - 1)]

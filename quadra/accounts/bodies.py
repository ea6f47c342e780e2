"""What routes of this room take from a JSON body and put into one."""

from __future__ import annotations

from typing import Any

from quadra.accounts.sessions import Member
from quadra.accounts.tables import ApiKey, Project, User
from quadra.core import clock
from quadra.core.errors import Invalid

MISSING = object()


def text(body: dict[str, Any], name: str, default: Any = MISSING) -> Any:
    """The string under `name`, or `default` where it is left out or null. Raises `Invalid`."""
    value = body.get(name)
    if value is None and default is not MISSING:
        return default
    if not isinstance(value, str):
        raise Invalid("A field is missing or has the wrong type.", fields={name: "a string"})
    return value


def strings(body: dict[str, Any], name: str) -> list[str]:
    """The list of strings under `name`, empty where it is left out. Raises `Invalid`."""
    value = [] if body.get(name) is None else body[name]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid("A field has the wrong type.", fields={name: "a list of strings"})
    return value


def user_body(user: User | Member) -> dict[str, Any]:
    return {"id": user.id, "email": user.email, "name": user.name, "role": user.role}


def user_details(user: User) -> dict[str, Any]:
    return user_body(user) | {
        "disabled": user.disabled_at is not None,
        "created_at": clock.iso(user.created_at),
        "last_login_at": clock.iso(user.last_login_at) if user.last_login_at else None,
    }


def key_body(key: ApiKey, project: Project) -> dict[str, Any]:
    return {
        "id": key.id,
        "project": project.slug,
        "scope": key.scope,
        "name": key.name,
        "prefix": key.prefix,
        "origins": list(key.origins),
        "created_at": clock.iso(key.created_at),
        "last_used_at": clock.iso(key.last_used_at) if key.last_used_at else None,
        "revoked_at": clock.iso(key.revoked_at) if key.revoked_at else None,
    }


def project_body(project: Project) -> dict[str, Any]:
    return {
        "slug": project.slug,
        "name": project.name,
        "timezone": project.timezone,
        "week_start": project.week_start,
        "created_at": clock.iso(project.created_at),
    }

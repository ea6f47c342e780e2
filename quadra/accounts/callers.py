"""Who somebody is and what they may do, as the database says. `access.py` asks on behalf of requests and sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.orm import Session

from quadra.accounts import sessions
from quadra.accounts.keys import LONGEST, Key, find_key
from quadra.accounts.projects import DEFAULT, OWN
from quadra.accounts.sessions import Member
from quadra.accounts.tables import ROLES, Role, Scope
from quadra.core.errors import Forbidden, Unauthorised

KEY_ROLES: dict[Scope, Role] = {"read": "viewer", "admin": "admin"}


@dataclass(frozen=True, slots=True)
class Caller:
    """What somebody may do: a user by their roles (decision 18), a read key as a viewer of its project, an admin key as its
    admin, and an admin key of `default` as an admin of the installation. A write key may nothing here."""

    kind: Literal["session", "key", "stranger"]
    role: Role | None = None
    """On the installation; None for who is bound to `roles`."""
    user: Member | None = None
    key: Key | None = None
    roles: Mapping[int, Role] = field(default_factory=dict)
    """In single projects, by their ids."""

    def role_in(self, project_id: int) -> Role | None:
        """The one answer to what they may do with what is a project's. None: they may not know that there is such a project."""
        return "admin" if self.role == "admin" else self.roles.get(project_id, self.role)

    @property
    def most(self) -> Role | None:
        """The highest role that they have anywhere."""
        return max((one for one in (self.role, *self.roles.values()) if one), key=ROLES.index, default=None)

    @property
    def projects(self) -> frozenset[int] | None:
        """The ids of the projects that may be seen; None is all of them."""
        return frozenset(self.roles) if self.role is None else None

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        if self.user is not None:
            return f"user:{self.user.email}"
        return "stranger" if self.key is None else f"key:{self.key.prefix}"

    @property
    def counted_as(self) -> str:
        """The name under which limits count them; empty for a stranger, who is counted by address. Whoever may nothing is one:
        a write key stands in pages for everybody to read."""
        if self.key is not None:
            return f"key:{self.key.id}" if self.most else ""
        return "" if self.user is None else f"user:{self.user.id}"

    def sees(self, project_id: int) -> bool:
        return self.role_in(project_id) is not None

    @property
    def sees_installation(self) -> bool:
        """Whether figures of all projects, of the machine, and paths are for them: for users with a role on the installation,
        for admin keys of `default`, and for keys of the project in which the installation observes itself."""
        if self.key is not None and self.key.project_slug == OWN and self.most is not None:
            return True
        return self.may("viewer")

    def may(self, role: str) -> bool:
        """On the installation."""
        return reaches(self.role, role)


def reaches(held: Role | None, wanted: str) -> bool:
    return held is not None and ROLES.index(held) >= ROLES.index(wanted)


STRANGER = Caller("stranger")


def by_key(session: Session, plain: str) -> Caller:
    """Raises `Unauthorised`."""
    key = find_key(session, plain) if len(plain) <= LONGEST else None
    if key is None:
        raise Unauthorised("This key is not known, or it was revoked.")
    if key.scope == "admin" and key.project_slug == DEFAULT:
        return Caller("key", role="admin", key=key)
    role = KEY_ROLES.get(key.scope)
    return Caller("key", key=key, roles={} if role is None else {key.project_id: role})


def by_session(session: Session, claim: str) -> Caller:
    found = sessions.find_member(session, claim)
    return STRANGER if found is None else of_member(found)


def of_member(found: Member) -> Caller:
    role = None if found.role == "none" else found.role
    return Caller("session", role=role, user=found, roles=found.roles)


def check(who: Caller, role: str) -> None:
    """Whether they have `role` anywhere. Raises `Unauthorised` or `Forbidden`."""
    if who.kind == "stranger":
        raise Unauthorised("Log in, or send a key as Authorization: Bearer qk_….")
    if who.most is None and who.user is None:
        raise Forbidden("A write key sends events and nothing else; use a read or an admin key.")
    if who.most is None:
        raise Forbidden("You have a role in no project. Ask an admin for one.")
    if not reaches(who.most, role):
        raise Forbidden(f"This needs the role {role}; you are {who.most}.")

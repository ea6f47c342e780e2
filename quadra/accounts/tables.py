"""Tables of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from quadra.core import clock
from quadra.core.database import Base, Instant, JsonText, Text, name_column

Role = Literal["viewer", "editor", "admin"]
"""Each may do what those before it may."""
ROLES: tuple[Role, ...] = get_args(Role)
InstallationRole = Literal["none", "viewer", "editor", "admin"]
"""Of a person: `none` is for who has a role in single projects only, and may nothing elsewhere."""
INSTALLATION_ROLES: tuple[InstallationRole, ...] = get_args(InstallationRole)

Scope = Literal["ingest", "read", "admin"]
"""What a key opens: sending events; reading as a viewer; everything an admin may."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

WeekStart = Literal["monday", "sunday"]
WEEK_STARTS: tuple[WeekStart, ...] = get_args(WeekStart)
WEEK_START: WeekStart = "sunday"
"""Of a project that says nothing of it."""


class Project(Base):
    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(name_column(64), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    timezone: Mapped[str] = mapped_column(sa.String(64), default="UTC")
    week_start: Mapped[WeekStart] = mapped_column(sa.String(6), default=WEEK_START)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class ApiKey(Base):
    """A key of a project. The key itself is shown once; the table keeps its prefix (to name it) and its SHA-256."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), index=True)
    scope: Mapped[Scope] = mapped_column(sa.String(8))
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    prefix: Mapped[str] = mapped_column(name_column(16))
    sha256: Mapped[str] = mapped_column(name_column(64), unique=True)
    origins: Mapped[list[str]] = mapped_column(JsonText, default=list)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    last_used_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(name_column(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    role: Mapped[InstallationRole] = mapped_column(sa.String(8), default="viewer")
    """In every project that has no `ProjectRole` for them."""
    session_epoch: Mapped[int] = mapped_column(default=0)
    """Part of every session cookie; raising it logs the user out everywhere."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    last_login_at: Mapped[datetime | None] = mapped_column(Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)


class ProjectRole(Base):
    """Somebody's role in one project: it counts there instead of that on the installation."""

    __tablename__ = "project_role"

    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), primary_key=True, autoincrement=False, index=True)
    role: Mapped[Role] = mapped_column(sa.String(8))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class EndedSession(Base):
    """Somebody logged out; the cookie of then opens nothing, wherever a copy of it lies. Kept as long as cookies last."""

    __tablename__ = "ended_session"

    id: Mapped[str] = mapped_column(name_column(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class SpentState(Base):
    """An answer to an OpenID sign-in was taken; the same answer opens nothing again. Kept for longer than a sign-in may take."""

    __tablename__ = "spent_state"

    id: Mapped[str] = mapped_column(name_column(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now, index=True)


class UserSession(Base):
    """A login, so that its owner can look at it and end it. It opens nothing: the cookie does."""

    __tablename__ = "user_session"

    id: Mapped[str] = mapped_column(name_column(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), index=True)
    epoch: Mapped[int] = mapped_column()
    """The user's when the session began: a session of another epoch has ended."""
    began_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    seen_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    address: Mapped[str] = mapped_column(sa.String(64), default="")
    agent: Mapped[str] = mapped_column(sa.String(300), default="")


class SecondFactor(Base):
    """What a user's authenticator app makes its codes of. It counts from `confirmed_at` on."""

    __tablename__ = "second_factor"

    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), primary_key=True, autoincrement=False)
    secret: Mapped[str] = mapped_column(sa.String(300))
    """Encrypted by `secrets_at_rest.py`."""
    last_step: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """The 30 seconds, counted since 1970, of the newest code that was taken. No code of then or before is taken again."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)


class RecoveryCode(Base):
    """One login without the authenticator app. The table keeps the SHA-256 of 80 random bits."""

    __tablename__ = "recovery_code"

    sha256: Mapped[str] = mapped_column(name_column(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), index=True)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class AuditEntry(Base):
    """Who did what, when, from where. Rows are only ever added."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now, index=True)
    actor: Mapped[str] = mapped_column(sa.String(300))
    """`user:<email>`, `key:<prefix>`, `command` or `stranger`."""
    action: Mapped[str] = mapped_column(sa.String(100))
    """`room.noun.verb_past`."""
    subject: Mapped[str] = mapped_column(sa.String(300), default="")
    project_id: Mapped[int | None] = mapped_column()
    address: Mapped[str] = mapped_column(sa.String(64), default="")
    details: Mapped[dict[str, object]] = mapped_column(JsonText, default=dict)


class InstallationSecret(Base):
    """Secrets that this installation made for itself at its first start, shared by all its processes."""

    __tablename__ = "installation_secret"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)

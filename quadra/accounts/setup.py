"""What the first start makes: a project, an admin, two keys and a secret. Starts at once or again make nothing more.

Each function here inserts before it reads: of several processes one holds the row, the others wait and then see it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from quadra.accounts import audit
from quadra.accounts.keys import make_key
from quadra.accounts.passwords import hash_password, random_password
from quadra.accounts.projects import DEFAULT, get_project
from quadra.accounts.tables import WEEK_START, InstallationSecret, Project, User
from quadra.accounts.users import create_user
from quadra.core.database import Base
from quadra.core.settings import Settings

SESSION_SECRET = "session"


@dataclass(frozen=True, slots=True)
class Initialised:
    """What `initialise` found or made. Secrets are here only when it made them; nobody can read them again."""

    project: str
    admin_email: str
    created: bool
    write_key: str | None = None
    admin_key: str | None = None
    admin_password: str | None = None


def initialise(session: Session, *, settings: Settings) -> Initialised:
    """Make the project `default` with a write key and an admin key, and an admin where nobody is one."""
    fresh = _insert_unless_there(session, Project, slug=DEFAULT, name="Default", timezone="UTC", week_start=WEEK_START)
    project = get_project(session, DEFAULT)
    write_key = admin_key = password = None
    if fresh:
        write_row, write_key = make_key(session, project=project, scope="ingest", name="made at the first start")
        admin_row, admin_key = make_key(session, project=project, scope="admin", name="made at the first start")
        _record(session, "accounts.project.created", DEFAULT, project.id)
        for row in (write_row, admin_row):
            _record(session, "accounts.key.created", row.prefix, project.id)
    admin = session.scalar(sa.select(User).where(User.role == "admin").order_by(User.id).limit(1))
    if admin is None:
        password = random_password()
        admin = create_user(
            session,
            email=settings.admin_email,
            password=hash_password(password, email=settings.admin_email),
            role="admin",
            name="Admin",
        )
        _record(session, "accounts.user.created", admin.email)
    return Initialised(
        project=project.slug,
        admin_email=admin.email,
        created=fresh or password is not None,
        write_key=write_key,
        admin_key=admin_key,
        admin_password=password,
    )


def secret_key(session: Session, settings: Settings) -> str:
    """What session cookies are signed with: the setting, or one made once and shared by all processes."""
    return settings.secret_key or installation_secret(session, SESSION_SECRET)


def installation_secret(session: Session, name: str) -> str:
    """A secret that this installation made once, for good: it stays the same where `secret_key` is changed."""
    _insert_unless_there(session, InstallationSecret, name=name, value=secrets.token_urlsafe(48))
    return session.scalars(sa.select(InstallationSecret.value).where(InstallationSecret.name == name)).one()


def _insert_unless_there(session: Session, table: type[Base], **values: Any) -> bool:
    """Whether this call inserted the row. Waits for another process that is inserting the same one."""
    dialect = session.get_bind().dialect.name
    statement: sa.Insert
    if dialect == "sqlite":
        statement = sqlite.insert(table).values(**values).on_conflict_do_nothing()
    elif dialect == "postgresql":
        statement = postgresql.insert(table).values(**values).on_conflict_do_nothing()
    else:
        statement = sa.insert(table).values(**values).prefix_with("IGNORE")
    # asked for, since PostgreSQL's insert fetches the new id and then forgets the count
    result = session.connection().execute(statement, execution_options={"preserve_rowcount": True})
    return result.rowcount == 1


def _record(session: Session, action: str, subject: str, project_id: int | None = None) -> None:
    audit.record(session, actor=audit.COMMAND, action=action, subject=subject, project_id=project_id)

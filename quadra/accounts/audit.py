"""The audit log: who did what, when, from where. Written in the transaction of the deed: never one alone."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import AuditEntry

COMMAND = "command"
"""The actor of everything done with `quadra …` on the machine itself."""


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str = "",
    project_id: int | None = None,
    address: str = "",
    details: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Add an entry. `subject` may be what a stranger typed: it is cut to what the column holds."""
    entry = AuditEntry(
        actor=actor[:300],
        action=action,
        subject=subject.replace("\x00", "")[:300],
        project_id=project_id,
        address=address[:64],
        details=dict(details or {}),
    )
    session.add(entry)
    session.flush()
    return entry


def list_entries(
    session: Session,
    *,
    limit: int = 50,
    before_id: int | None = None,
    project_id: int | None = None,
    action: str = "",
    actor: str = "",
) -> list[AuditEntry]:
    """Newest first. `before_id` continues after the last entry of the page before. `action` and `actor` are beginnings."""
    query = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    if project_id is not None:
        query = query.where(AuditEntry.project_id == project_id)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if actor:
        query = query.where(AuditEntry.actor.startswith(actor, autoescape=True))
    return list(session.scalars(query))

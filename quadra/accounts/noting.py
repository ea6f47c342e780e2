"""Deeds of requests in the audit log: who asked, from where."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from quadra.accounts import audit
from quadra.accounts.access import caller
from quadra.core.web.limits import client_address


def note(
    session: Session,
    action: str,
    *,
    subject: str = "",
    project_id: int | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """The caller of the current request did this. In the transaction of the deed."""
    audit.record(
        session,
        actor=caller().actor,
        action=action,
        subject=subject,
        project_id=project_id,
        address=client_address(),
        details=details,
    )

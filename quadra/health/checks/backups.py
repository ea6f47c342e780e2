"""How old the newest backup of the database is, and whether every moment since the first base backup can be reached."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import to_builtins

from quadra.accounts.tables import Project
from quadra.backup import schedule
from quadra.backup.pitr import base_store
from quadra.backup.recover.points import continuous
from quadra.backup.stores import catalogue as kept_backups
from quadra.core import clock
from quadra.health.context import CheckContext
from quadra.health.verdict import DEGRADED, Found, check, degraded, healthy


@check("backups", keep_seconds=60)
def backups(context: CheckContext) -> Found | None:
    """An installation that is younger than the age at which a backup is old need not have one yet."""
    settings = context.runtime.settings
    state = kept_backups.health(settings)
    recent = state.most_recent_backup
    details = {"count": state.backup_count, "most_recent": to_builtins(recent)}
    if recent is None and _is_new(context):
        return healthy("There is none yet; a worker takes the first one by the clock.", **details)
    return Found(state.status, state.message, details)


@check("backups", keep_seconds=60, worst=DEGRADED)
def point_in_time(context: CheckContext) -> Found | None:
    settings = context.runtime.settings
    if not schedule.archives(settings):
        return None
    bases = base_store.manifests(settings)
    if not bases and _is_new(context):
        return healthy("There is no base backup yet; a worker takes the first one.")
    span = continuous(settings)
    newest = bases[-1] if bases else None
    details = {
        "from": span.from_,
        "to": span.to,
        "base": newest and newest.id,
        "base_at": newest and clock.iso(newest.created_at),
    }
    if span.to is None:
        return degraded(span.message, **details)
    overdue = newest and schedule.base_overdue_at(settings, newest.created_at)
    if newest and overdue and clock.now() > overdue:  # two were missed: the log since then takes long to replay
        days = (clock.now() - newest.created_at).days
        return degraded(f"The newest base backup is {days} days old: going back to a moment takes long.", **details)
    return healthy(f"Every moment from {span.from_} to {span.to} can be reached.", **details)


def _is_new(context: CheckContext) -> bool:
    with context.runtime.database.read() as session:
        began = session.scalar(sa.select(sa.func.min(Project.created_at)))
    return began is None or clock.now() - began < context.runtime.settings.backup_age_warn

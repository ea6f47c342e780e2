"""How old the newest backup of the database is."""

from __future__ import annotations

import sqlalchemy as sa

from quadra.accounts.tables import Project
from quadra.backup import kept_backups
from quadra.core import clock
from quadra.health.scene import Scene
from quadra.health.verdict import Found, healthy


def backups(scene: Scene) -> Found | None:
    """An installation that is younger than the age at which a backup is old need not have one yet."""
    settings = scene.runtime.settings
    told = kept_backups.health(settings)
    recent = told["most_recent_backup"]
    details = {"count": told["backup_count"], "most_recent": recent}
    if recent is None:
        with scene.runtime.database.read() as session:
            began = session.scalar(sa.select(sa.func.min(Project.created_at)))
        if began is None or clock.now() - began < settings.backup_age_warn:
            return healthy("There is none yet; a worker takes the first one by the clock.", **details)
    return Found(told["status"], told["message"], details)

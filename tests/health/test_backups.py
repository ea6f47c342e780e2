"""The age of the newest backup, by its manifest, against the thresholds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from quadra.accounts.setup import initialise
from quadra.accounts.tables import Project
from quadra.backup.stores import manifest
from quadra.backup.take import take
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.health.checks.backups import backups
from quadra.health.context import CheckContext
from tests.servers.schema import bring_up


@pytest.mark.parametrize(("hours", "status"), [(1, "healthy"), (47, "healthy"), (49, "degraded"), (73, "unhealthy")])
def test_a_backup_grows_old(tmp_path: Path, hours: int, status: str) -> None:
    context = _scene(tmp_path)
    assert backups(context).status == "healthy"  # a new installation need not have one
    made = take(context.runtime.settings, "database")
    path = tmp_path / "backups" / made.id / manifest.MANIFEST
    path.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(made, created_at=clock.now() - timedelta(hours=hours)))
    )
    found = backups(context)
    assert (found.status, found.details["count"]) == (status, 1)


def test_an_old_installation_without_a_backup_is_degraded(tmp_path: Path) -> None:
    context = _scene(tmp_path)
    with context.runtime.database.begin() as session:
        session.execute(sa.update(Project).values(created_at=clock.now() - timedelta(hours=49)))
    assert backups(context).status == "degraded"


def _scene(tmp_path: Path) -> CheckContext:
    settings = load(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'quadra.db'}")
    runtime = Runtime(settings, Database(settings.database_url))
    bring_up(runtime.database)
    with runtime.database.begin() as session:
        initialise(session, settings=settings)
    return CheckContext(runtime, "web")

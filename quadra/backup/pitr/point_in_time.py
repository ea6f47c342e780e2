"""Recovery to a moment: plan, build a cluster beside the living one, look at what is in it, say how to switch over.

The living database is only asked to finish its log; nothing of it changes, and whether to switch is the operator's word.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from quadra.accounts.tables import Project
from quadra.backup.dumps.databases import opened
from quadra.backup.dumps.postgres_programs import find
from quadra.backup.pitr import cluster as pitr_cluster
from quadra.backup.pitr.cluster import Place, Told
from quadra.backup.pitr.plan import Base, OutOfReach, Plan, make_plan
from quadra.backup.pitr.wal_switch import archive_now
from quadra.backup.replica.sides import admin_url, connected, one
from quadra.backup.replica.status import first_line
from quadra.core import clock, migrate
from quadra.core.database import Database
from quadra.core.errors import Misconfigured
from quadra.core.settings import Settings
from quadra.ingest.tables import Batch, Event
from quadra.insights.tables import Insight
from quadra.jobs.tables import Job
from quadra.warehouse.tables import Segment

COUNTED = (Project, Event, Batch, Insight, Job, Segment)


@dataclass(frozen=True, slots=True)
class Living:
    """What the living server said before recovery began; None of it where it is away."""

    reachable: bool
    data_directory: str | None = None
    why_not: str | None = None
    archived_until: datetime | None = None


def ask_living(settings: Settings, archive: Path, target: datetime | None) -> Living:
    """Have the living server put its log into the archive. A target in its future is refused (`OutOfReach`)."""
    try:
        with connected(admin_url(settings)) as connection:
            about = one(connection, "SELECT clock_timestamp() AS now, current_setting('data_directory') AS directory")
            if target is not None and target > about["now"]:
                raise OutOfReach(
                    f"{clock.iso(target)} is in the future; the database's clock says {clock.iso(about['now'])}.",
                    fields={"to": "a moment that has passed"},
                )
            return Living(True, about["directory"], archived_until=archive_now(connection, archive))
    except psycopg.OperationalError as error:
        return Living(False, why_not=first_line(error))


def plan(settings: Settings, bases: Sequence[Base], archive: Path, target: datetime | None) -> Plan:
    """Raises `OutOfReach` with the nearest moment there is."""
    major = max((base.facts.major for base in bases), default=None)
    return make_plan(bases, archive, find("pg_waldump", settings, major=major), target)


def recover(settings: Settings, made: Plan, place: Place, archive: Path, say: Told) -> dict[str, Any]:
    """Build the cluster and look at it. Returns what is in it."""
    pitr_cluster.build(settings, made, place, archive, say)
    say("looking at what was recovered")
    with opened(pitr_cluster.url_of(settings, place)) as database:
        found = look(database)
    found["recovery"] = pitr_cluster.reached(place)
    return found


def look(database: Database) -> dict[str, Any]:
    """Rows, the times of the last event, the schema's revision."""
    revision = migrate.current(database)
    if revision is None:
        return {"revision": None, "head": migrate.head(), "rows": {}, "last_event": None}
    there = set(sa.inspect(database.engine).get_table_names())
    with database.snapshot() as session:
        rows = {
            name: session.scalar(sa.select(sa.func.count()).select_from(table))
            for table in COUNTED
            if (name := cast(sa.Table, table.__table__).name) in there
        }
        received = session.scalar(sa.select(sa.func.max(Event.received_at)))
        occurred = session.scalar(sa.select(sa.func.max(Event.occurred_at)))
    last = {"received_at": clock.iso(received), "occurred_at": clock.iso(occurred)} if received and occurred else None
    return {"revision": revision, "head": migrate.head(), "rows": rows, "last_event": last}


def switch_over(settings: Settings, place: Place, major: int) -> list[str]:
    """The commands with which the recovered cluster takes the living one's place, in order."""
    url = pitr_cluster.url_of(settings, place)
    shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
    control = find("pg_ctl", settings, major=major)
    as_user = f"sudo -u {place.who.name} "
    psql = f"psql -h 127.0.0.1 -p {place.port} -U {url.username} {url.database}"
    keep = f"ALTER SYSTEM SET archive_command = '{_archive_command(settings, place)}'"
    return [
        "# 1. stop Quadra: web processes and workers",
        "# 2. give all of them the recovered database, with the same password as before:",
        f"export DATABASE_URL='{shown}'",
        "# 3. start Quadra, then erase again what was erased after that moment, and see whether each segment is there:",
        "quadra erase --replay",
        "quadra warehouse verify",
        "# 4. when you keep it: let it archive, and give it a base backup of its own",
        f"{psql} -c {shlex.quote(keep)}",
        f"{psql} -c 'SELECT pg_reload_conf()'",
        "quadra wal base",
        "# or throw it away; the living cluster was not touched:",
        f"{as_user}{control} -D {place.directory} -m fast stop",
        f"rm -r {place.directory}",
    ]


def archive_of(settings: Settings) -> Path:
    """Raises `Misconfigured`, `Invalid` where the database is another one."""
    if settings.wal_archive is None:
        admin_url(settings)  # whoever has another database is told so
        raise Misconfigured(
            "QUADRA_WAL_ARCHIVE: name the directory for PostgreSQL's log, on another disk than the database; then "
            "`quadra wal setup` prints what PostgreSQL needs."
        )
    return settings.wal_archive.absolute()


def _archive_command(settings: Settings, place: Place) -> str:
    """What the recovered cluster was told to do with its log before `quadra pitr` silenced it."""
    sql = "SELECT setting FROM pg_file_settings WHERE name = 'archive_command' AND setting <> '' ORDER BY seqno DESC LIMIT 1"
    url = pitr_cluster.url_of(settings, place)
    given = admin_url(settings)
    with connected(url.set(username=given.username, password=given.password)) as connection:
        row = connection.execute(sql).fetchone()
    return str(row["setting"]).replace("'", "''") if row else "…"

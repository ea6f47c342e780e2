"""What the primary says of its replicas, and what each replica says of itself. Only asks; judges nothing.

The two sides are asked one by one because either may be away, and because they know different things: only the primary
knows how far its own log is, only the replica knows whether it replays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import rows

from quadra.core.errors import Invalid
from quadra.core.settings import Settings

CONNECT_SECONDS = 3
PRIMARY = """
    SELECT host(r.client_addr) AS client_addr, r.application_name, r.state, r.sync_state, r.sync_priority,
           pg_wal_lsn_diff(here.lsn, r.replay_lsn)::bigint AS lag_bytes,
           extract(epoch FROM r.replay_lag)::float AS lag_seconds, r.replay_lsn::text AS replay_lsn
    FROM pg_stat_replication r, (SELECT pg_current_wal_lsn() AS lsn) here
    ORDER BY r.application_name, r.client_addr
"""


@dataclass(frozen=True, slots=True)
class Streaming:
    """A replica as the primary sees it. What the role may not see is None."""

    client_addr: str | None
    application_name: str
    state: str | None
    sync_state: str | None
    sync_priority: int | None
    lag_bytes: int | None
    lag_seconds: float | None
    replay_lsn: str | None


@dataclass(frozen=True, slots=True)
class Primary:
    now: datetime
    lsn: str
    timeline: int
    system_identifier: int
    synchronous_standby_names: str
    synchronous_commit: str
    replicas: tuple[Streaming, ...]


@dataclass(frozen=True, slots=True)
class Standby:
    """A replica as it sees itself."""

    address: str
    in_recovery: bool
    paused: bool
    receiving: bool
    silent_seconds: float | None
    """Since the primary's last message; None where no receiver runs."""
    received_lsn: str | None
    replayed_lsn: str | None
    replayed_at: datetime | None
    now: datetime
    timeline: int
    system_identifier: int
    synchronous_standby_names: str


def admin_url(settings: Settings) -> sa.URL:
    """Who may ask and do what a superuser may. Raises `Invalid` where the database is not PostgreSQL."""
    url = sa.make_url(settings.database_url)
    if url.get_backend_name() != "postgresql":
        raise Invalid(f"This needs PostgreSQL; the database is {url.get_backend_name()}.", code="not_postgresql")
    if not settings.postgres_admin_url:
        return url
    given = sa.make_url(settings.postgres_admin_url)
    return given.set(database=given.database or url.database, drivername="postgresql+psycopg")


def replica_url(settings: Settings, target: str) -> sa.URL:
    """The URL of a replica given as `host:port`, `host` or a URL; what it leaves out is as for the primary."""
    base = admin_url(settings)
    given = sa.make_url(target if "://" in target else f"postgresql://{target}")
    if given.get_backend_name() != "postgresql" or not given.host:
        raise Invalid(f"{target!r} is no replica: host:port or postgresql://…", fields={"target": "host:port or a URL"})
    return base.set(
        host=given.host,
        port=given.port or 5432,
        username=given.username or base.username,
        password=given.password or base.password,
        database=given.database or base.database,
    )


def address(url: sa.URL) -> str:
    """How a server is called in answers: without user and password."""
    return f"{url.host or 'localhost'}:{url.port or 5432}"


def conninfo(url: sa.URL) -> str:
    """For psycopg and for PostgreSQL's programs; the password included."""
    parts: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    given = {key: value for key, value in parts.items() if value is not None}
    return psycopg.conninfo.make_conninfo(dbname=url.database or "postgres", **given, **_query(url))


@contextmanager
def connected(url: sa.URL, *, seconds: int = CONNECT_SECONDS, statement_seconds: int = 30) -> Iterator[Any]:
    """A connection where each statement commits by itself, rows are dicts, and nothing waits for ever.

    Raises `psycopg.Error`.
    """
    options = f"-c statement_timeout={statement_seconds * 1000}"
    made = psycopg.connect(
        conninfo(url), connect_timeout=seconds, options=options, autocommit=True, row_factory=rows.dict_row
    )
    with made as connection:
        yield connection


def ask_primary(connection: Any) -> Primary | None:
    """What a primary says; None when the server is a replica itself."""
    if one(connection, "SELECT pg_is_in_recovery() AS it")["it"]:
        return None
    about = one(
        connection,
        "SELECT clock_timestamp() AS now, pg_current_wal_lsn()::text AS lsn, timeline_id, system_identifier, "
        "current_setting('synchronous_standby_names') AS names, current_setting('synchronous_commit') AS commit "
        "FROM pg_control_system(), pg_control_checkpoint()",
    )
    rows = connection.execute(PRIMARY).fetchall()
    return Primary(
        now=about["now"],
        lsn=about["lsn"],
        timeline=about["timeline_id"],
        system_identifier=about["system_identifier"],
        synchronous_standby_names=about["names"],
        synchronous_commit=about["commit"],
        replicas=tuple(Streaming(**row) for row in rows),
    )


def ask_standby(connection: Any, at: str) -> Standby:
    """What a replica says of itself."""
    about = one(
        connection,
        "SELECT clock_timestamp() AS now, pg_is_in_recovery() AS in_recovery, "
        "pg_last_wal_receive_lsn()::text AS received_lsn, pg_last_wal_replay_lsn()::text AS replayed_lsn, "
        "pg_last_xact_replay_timestamp() AS replayed_at, timeline_id AS timeline, system_identifier, "
        "current_setting('synchronous_standby_names') AS synchronous_standby_names "
        "FROM pg_control_system(), pg_control_checkpoint()",
    )
    paused = about["in_recovery"] and one(connection, "SELECT pg_is_wal_replay_paused() AS it")["it"]
    receiver = connection.execute(
        "SELECT status, extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float AS silent "
        "FROM pg_stat_wal_receiver"
    ).fetchone()
    return Standby(
        address=at,
        paused=bool(paused),
        receiving=receiver is not None and receiver["status"] == "streaming",
        silent_seconds=receiver["silent"] if receiver else None,
        **about,
    )


def one(connection: Any, sql: str, *values: object) -> dict[str, Any]:
    row: dict[str, Any] = connection.execute(sql, values or None).fetchone()
    return row


def _query(url: sa.URL) -> dict[str, str]:
    """`sslmode` and the like, as in the URL; the program's own are set by us."""
    ours = {"options", "connect_timeout"}
    return {key: str(value) for key, value in url.query.items() if key not in ours and isinstance(value, str)}

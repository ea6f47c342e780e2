"""How replication is: what both sides say, judged by its lag. Honest where there is none.

Lag in seconds is the primary's `replay_lag`, which PostgreSQL measures with the log itself, or zero where the replica has
replayed all there is. `now() - pg_last_xact_replay_timestamp()` is no lag: it grows while nobody writes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from quadra.backup.pitr.wal_chain import lsn
from quadra.backup.replica.sides import (
    Primary,
    Standby,
    Streaming,
    address,
    admin_url,
    ask_primary,
    ask_standby,
    connected,
    replica_url,
)
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.settings import Settings

HEALTHY, DEGRADED, UNHEALTHY, NOT_ENABLED = "healthy", "degraded", "unhealthy", "not_enabled"
WORSE = (HEALTHY, DEGRADED, UNHEALTHY)
INSTEAD = {
    "sqlite": "SQLite has no replicas: losing this machine means restoring a backup.",
    "mysql": "Quadra does not look after MariaDB's replication: losing the server means restoring a backup.",
}


def replication_status(settings: Settings) -> dict[str, Any]:
    """The answer of `/api/disaster-recovery/replication/status`. Raises `Unavailable` when the primary is away."""
    backend = settings.database_url.partition("+")[0].partition(":")[0].replace("mariadb", "mysql")
    if backend != "postgresql":
        return _answer([], [], NOT_ENABLED, INSTEAD[backend])
    url = admin_url(settings)
    try:
        with connected(url) as connection:
            primary = ask_primary(connection)
    except psycopg.OperationalError as error:
        raise Unavailable(f"The primary at {address(url)} does not answer: {first_line(error)}") from error
    if primary is None:
        said = "The database Quadra uses is a replica itself: it takes no writes."
        return _answer([], [], UNHEALTHY, said)
    replicas = [_streaming(one, settings) for one in primary.replicas]
    standbys = [_standby(one, primary, settings) for one in ask_replicas(settings)]
    if not replicas and not standbys:
        return _answer([], [], NOT_ENABLED, "The database has no replica: losing it means restoring a backup.")
    overall = max((each["status"] for each in replicas + standbys), key=WORSE.index)
    told = {
        HEALTHY: "Every replica follows.",
        DEGRADED: "A replica does not follow as it should.",
        UNHEALTHY: "A replica is lost or far behind.",
    }
    about = {
        "primary": address(url),
        "lsn": primary.lsn,
        "timeline": primary.timeline,
        "synchronous": bool(primary.synchronous_standby_names),
    }
    return _answer(replicas, standbys, overall, told[overall]) | about


def ask_replicas(settings: Settings) -> list[tuple[str, Standby | str]]:
    """Each replica of the setting, asked at the same time: (address, what it says of itself or why it says nothing)."""
    urls = [replica_url(settings, target) for target in settings.replicas]

    def ask(url: Any) -> tuple[str, Standby | str]:
        try:
            with connected(url) as connection:
                return address(url), ask_standby(connection, address(url))
        except psycopg.Error as error:
            return address(url), first_line(error)

    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        return list(pool.map(ask, urls))


def worst_lag_seconds(status: dict[str, Any]) -> float | None:
    """For the metric; None where there is no replica or none that says."""
    return max((each["lag_seconds"] for each in status["replicas"] if each["lag_seconds"] is not None), default=None)


def first_line(error: BaseException) -> str:
    """What a driver says, in one line, without the address that the reader is told anyway."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.rpartition(" failed: ")[2]


def _answer(replicas: list[Any], standbys: list[Any], overall: str, message: str) -> dict[str, Any]:
    return {
        "replication_enabled": overall != NOT_ENABLED and bool(replicas or standbys),
        "replica_count": len(replicas),
        "overall_status": overall,
        "message": message,
        "timestamp": clock.iso(clock.now()),
        "replicas": replicas,
        "configured": standbys,
    }


def _streaming(one: Streaming, settings: Settings) -> dict[str, Any]:
    seconds = 0.0 if one.lag_bytes == 0 else one.lag_seconds
    if one.state is None:
        status, message = DEGRADED, "The database's user may not see replicas: GRANT pg_monitor TO it."
    elif one.state != "streaming":
        status, message = DEGRADED, f"It is in the state {one.state}."
    else:
        status, message = _judge(seconds, settings)
    return {
        "client_addr": one.client_addr,
        "name": one.application_name,
        "state": one.state,
        "sync_state": one.sync_state,
        "sync_priority": one.sync_priority,
        "lag_bytes": one.lag_bytes,
        "lag_seconds": None if seconds is None else round(seconds, 3),
        "status": status,
        "message": message,
    }


def _standby(found: tuple[str, Standby | str], primary: Primary, settings: Settings) -> dict[str, Any]:
    at, said = found
    row: dict[str, Any] = {"address": at, "in_recovery": None, "lag_bytes": None, "replayed_at": None}
    if isinstance(said, str):
        return row | {"status": UNHEALTHY, "message": f"It does not answer: {said}"}
    replayed = said.replayed_lsn or said.received_lsn
    row |= {
        "in_recovery": said.in_recovery,
        "receiving": said.receiving,
        "replay_paused": said.paused,
        "lag_bytes": max(0, lsn(primary.lsn) - lsn(replayed)) if replayed else None,
        "replayed_at": clock.iso(said.replayed_at) if said.replayed_at else None,
    }
    if said.system_identifier != primary.system_identifier:
        return row | {"status": UNHEALTHY, "message": "It is no replica of this database: another cluster."}
    if not said.in_recovery:
        return row | {"status": UNHEALTHY, "message": "It takes writes itself: two primaries, or one forgotten."}
    if not said.receiving:
        return row | {"status": UNHEALTHY, "message": "It receives nothing from the primary."}
    if said.paused:
        return row | {"status": DEGRADED, "message": "Its replay is paused: SELECT pg_wal_replay_resume()."}
    return row | {"status": HEALTHY, "message": "It receives and replays."}


def _judge(seconds: float | None, settings: Settings) -> tuple[str, str]:
    if seconds is None:  # bytes are behind, and PostgreSQL has not measured yet how long
        return HEALTHY, "It streams; its lag was not measured yet."
    if seconds >= settings.replica_lag_unhealthy.total_seconds():
        return UNHEALTHY, f"It is {seconds:.0f} s behind."
    if seconds >= settings.replica_lag_degraded.total_seconds():
        return DEGRADED, f"It is {seconds:.0f} s behind."
    return HEALTHY, "It streams."

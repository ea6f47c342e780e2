"""How replication is: what both sides say, judged by its lag. Honest where there is none.

Lag in seconds is the primary's `replay_lag`, which PostgreSQL measures with the log itself, or zero where the replica has
replayed all there is. `now() - pg_last_xact_replay_timestamp()` is no lag: it grows while nobody writes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, get_args

import psycopg
from msgspec import UNSET, Meta, Struct, UnsetType

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
from quadra.core.api.openapi import Time
from quadra.core.errors import Unavailable
from quadra.core.settings import Settings

Health = Literal["healthy", "degraded", "unhealthy"]
Overall = Literal["healthy", "degraded", "unhealthy", "not_enabled"]
HEALTHY: Literal["healthy"] = "healthy"
DEGRADED: Literal["degraded"] = "degraded"
UNHEALTHY: Literal["unhealthy"] = "unhealthy"
NOT_ENABLED: Literal["not_enabled"] = "not_enabled"
WORSE: tuple[Health, ...] = get_args(Health)
INSTEAD = {
    "sqlite": "SQLite has no replicas: losing this machine means restoring a backup.",
    "mysql": "Quadra does not look after MariaDB's replication: losing the server means restoring a backup.",
}


class StreamingReplica(Struct, kw_only=True):
    """As the primary sees it."""

    client_addr: Annotated[str | None, Meta(examples=["10.0.0.12"])]
    name: Annotated[str, Meta(examples=["replica-1"])]
    state: Annotated[str | None, Meta(examples=["streaming"])]
    sync_state: Annotated[str | None, Meta(examples=["async"])]
    sync_priority: Annotated[int | None, Meta(examples=[0])]
    lag_bytes: Annotated[int | None, Meta(examples=[0])]
    lag_seconds: Annotated[float | None, Meta(examples=[0.0])]
    status: Annotated[Health, Meta(examples=["healthy"])]
    message: Annotated[str, Meta(examples=["It streams."])]


class ConfiguredReplica(Struct, kw_only=True):
    """One of QUADRA_REPLICAS, as it sees itself; what it says of itself is missing where it does not answer."""

    address: Annotated[str, Meta(examples=["10.0.0.12:5432"])]
    in_recovery: bool | None = None
    receiving: Annotated[bool | UnsetType, Meta(description="Whether it hears the primary.")] = UNSET
    replay_paused: Annotated[bool | UnsetType, Meta(examples=[False])] = UNSET
    lag_bytes: Annotated[int | None, Meta(examples=[0])] = None
    replayed_at: Annotated[Time | None, Meta(description="Of the last transaction that it has.")] = None
    status: Annotated[Health, Meta(examples=["healthy"])]
    message: Annotated[str, Meta(examples=["It receives and replays."])]


class Replication(Struct, kw_only=True):
    replication_enabled: bool
    replica_count: Annotated[int, Meta(description="That the primary sees.", examples=[1])]
    overall_status: Annotated[Overall, Meta(description="not_enabled where there are none.", examples=["healthy"])]
    message: Annotated[str, Meta(examples=["Every replica follows."])]
    timestamp: Time
    replicas: list[StreamingReplica]
    configured: list[ConfiguredReplica]
    primary: Annotated[str | UnsetType, Meta(examples=["10.0.0.11:5432"])] = UNSET
    lsn: Annotated[str | UnsetType, Meta(description="Of the primary's log.", examples=["0/3000148"])] = UNSET
    timeline: Annotated[int | UnsetType, Meta(examples=[1])] = UNSET
    synchronous: Annotated[
        bool | UnsetType, Meta(description="Whether commits wait for a replica.", examples=[False])
    ] = UNSET


def replication_status(settings: Settings) -> Replication:
    """What both sides say. Raises `Unavailable` when the primary is away."""
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
    standbys = [_standby(one, primary) for one in ask_replicas(settings)]
    if not replicas and not standbys:
        return _answer([], [], NOT_ENABLED, "The database has no replica: losing it means restoring a backup.")
    overall = max((*(each.status for each in replicas), *(each.status for each in standbys)), key=WORSE.index)
    messages = {
        HEALTHY: "Every replica follows.",
        DEGRADED: "A replica does not follow as it should.",
        UNHEALTHY: "A replica is lost or far behind.",
    }
    return _answer(
        replicas,
        standbys,
        overall,
        messages[overall],
        primary=address(url),
        lsn=primary.lsn,
        timeline=primary.timeline,
        synchronous=bool(primary.synchronous_standby_names),
    )


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


def worst_lag_seconds(status: Replication) -> float | None:
    """For the metric; None where there is no replica or none that says."""
    return max((each.lag_seconds for each in status.replicas if each.lag_seconds is not None), default=None)


def first_line(error: BaseException) -> str:
    """What a driver says, in one line, without the address that the reader is told anyway."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.rpartition(" failed: ")[2]


def _answer(
    replicas: list[StreamingReplica],
    standbys: list[ConfiguredReplica],
    overall: Overall,
    message: str,
    **about: Any,
) -> Replication:
    return Replication(
        replication_enabled=overall != NOT_ENABLED and bool(replicas or standbys),
        replica_count=len(replicas),
        overall_status=overall,
        message=message,
        timestamp=clock.iso(clock.now()),
        replicas=replicas,
        configured=standbys,
        **about,
    )


def _streaming(one: Streaming, settings: Settings) -> StreamingReplica:
    seconds = 0.0 if one.lag_bytes == 0 else one.lag_seconds
    status: Health
    if one.state is None:
        status, message = DEGRADED, "The database's user may not see replicas: GRANT pg_monitor TO it."
    elif one.state != "streaming":
        status, message = DEGRADED, f"It is in the state {one.state}."
    else:
        status, message = _judge(seconds, settings)
    return StreamingReplica(
        client_addr=one.client_addr,
        name=one.application_name,
        state=one.state,
        sync_state=one.sync_state,
        sync_priority=one.sync_priority,
        lag_bytes=one.lag_bytes,
        lag_seconds=None if seconds is None else round(seconds, 3),
        status=status,
        message=message,
    )


def _standby(found: tuple[str, Standby | str], primary: Primary) -> ConfiguredReplica:
    at, answer = found
    if isinstance(answer, str):
        return ConfiguredReplica(address=at, status=UNHEALTHY, message=f"It does not answer: {answer}")
    replayed = answer.replayed_lsn or answer.received_lsn
    status, message = _judge_standby(answer, primary)
    return ConfiguredReplica(
        address=at,
        in_recovery=answer.in_recovery,
        receiving=answer.receiving,
        replay_paused=answer.paused,
        lag_bytes=max(0, lsn(primary.lsn) - lsn(replayed)) if replayed else None,
        replayed_at=clock.iso_or_none(answer.replayed_at),
        status=status,
        message=message,
    )


def _judge_standby(answer: Standby, primary: Primary) -> tuple[Health, str]:
    if answer.system_identifier != primary.system_identifier:
        return UNHEALTHY, "It is no replica of this database: another cluster."
    if not answer.in_recovery:
        return UNHEALTHY, "It takes writes itself: two primaries, or one forgotten."
    if not answer.receiving:
        return UNHEALTHY, "It receives nothing from the primary."
    if answer.paused:
        return DEGRADED, "Its replay is paused: SELECT pg_wal_replay_resume()."
    return HEALTHY, "It receives and replays."


def _judge(seconds: float | None, settings: Settings) -> tuple[Health, str]:
    if seconds is None:  # bytes are behind, and PostgreSQL has not measured yet how long
        return HEALTHY, "It streams; its lag was not measured yet."
    if seconds >= settings.replica_lag_unhealthy.total_seconds():
        return UNHEALTHY, f"It is {seconds:.0f} s behind."
    if seconds >= settings.replica_lag_degraded.total_seconds():
        return DEGRADED, f"It is {seconds:.0f} s behind."
    return HEALTHY, "It streams."

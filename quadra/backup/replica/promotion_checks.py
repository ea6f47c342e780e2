"""What must hold before a replica is promoted. Each check says what it found; nothing here changes anything.

A primary that is only cut off from us still takes writes. So it counts as down only when two machines independently cannot
hear it, and it must be fenced besides: a killed server that restarts is writable again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

import psycopg
import sqlalchemy as sa
from msgspec import Meta, Struct

from quadra.backup.pitr.wal_chain import lsn
from quadra.backup.replica.memory import Remembered
from quadra.backup.replica.sides import Standby, address, ask_standby, connected, one
from quadra.backup.replica.status import first_line
from quadra.core import clock

Mark = Annotated[Literal["pass", "warn", "fail"], Meta(examples=["pass"])]
PASS: Literal["pass"] = "pass"
WARN: Literal["warn"] = "warn"
FAIL: Literal["fail"] = "fail"
TRIES = 3
SILENT_SECONDS = 45
"""A receiver that hears nothing asks after half of wal_receiver_timeout, 30 s, and a living primary answers."""
STALE = timedelta(seconds=60)


class PromotionStep(Struct, frozen=True):
    name: Annotated[str, Meta(examples=["target answers"])]
    status: Mark
    message: Annotated[str, Meta(examples=["10.0.0.12:5432, cluster 7711745817037096158"])]


class Loss(Struct, frozen=True):
    """What the promoted replica may lack of what the primary had acknowledged."""

    nothing: bool
    known_bytes: Annotated[
        int | None,
        Meta(
            description="Log that the primary had when last asked and the replica never received; null where nobody remembers.",
            examples=[0],
        ),
    ]
    message: Annotated[str, Meta(examples=["Nothing that was acknowledged."])]


@dataclass(frozen=True, slots=True)
class Candidate:
    url: sa.URL
    standby: Standby
    name: str
    """application_name, by which the primary knew it."""


def hear_primary(url: sa.URL, *, tries: int = TRIES) -> PromotionStep:
    """From this machine. Any answer of a server counts as life, also that it is starting, full, or knows no such user."""
    name = "primary as seen from here"
    answer = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(1)
        try:
            with connected(url):
                return PromotionStep(name, FAIL, f"{address(url)} answers: it is alive.")
        except psycopg.Error as error:
            answer = first_line(error)
            if "FATAL:" in str(error):
                return PromotionStep(name, FAIL, f"{address(url)} answers, though not as it should: {answer}")
    often = f" in {tries} tries" if tries > 1 else ""
    return PromotionStep(name, PASS, f"{address(url)} does not answer{often}: {answer}")


def look_at(url: sa.URL) -> Candidate:
    """Raises `psycopg.Error` where it does not answer."""
    with connected(url) as connection:
        standby = ask_standby(connection, address(url))
        row = one(
            connection,
            "SELECT current_setting('primary_conninfo') AS source, current_setting('cluster_name') AS cluster",
        )
    given = psycopg.conninfo.conninfo_to_dict(row["source"])
    return Candidate(url, standby, str(given.get("application_name") or row["cluster"] or "walreceiver"))


def is_replica(candidate: Candidate) -> PromotionStep:
    if not candidate.standby.in_recovery:
        return PromotionStep(
            "target is a replica", FAIL, f"{candidate.standby.address} takes writes: it is a primary already."
        )
    if candidate.standby.paused:
        return PromotionStep("target is a replica", FAIL, "Its replay is paused: SELECT pg_wal_replay_resume() first.")
    return PromotionStep("target is a replica", PASS, f"{candidate.standby.address} is in recovery and replays.")


def hears_nothing(standbys: list[Standby]) -> PromotionStep:
    """From the replicas' machines: do their receivers still hear the primary?"""
    name = "primary as seen from the replicas"
    for each in standbys:
        if each.receiving and (each.silent_seconds is None or each.silent_seconds < SILENT_SECONDS):
            heard = f"{each.silent_seconds or 0:.0f} s ago"
            return PromotionStep(name, FAIL, f"{each.address} receives from it, last {heard}: it may be alive.")
    silent = [each for each in standbys if each.receiving]
    if silent:
        return PromotionStep(name, PASS, f"{silent[0].address} has heard nothing for {silent[0].silent_seconds:.0f} s.")
    return PromotionStep(name, PASS, ", ".join(each.address for each in standbys) + ": no connection to it.")


def wait_for_silence(ask: Callable[[], list[Standby]], seconds: float, say: Callable[[str], Any]) -> PromotionStep:
    """`hears_nothing`, asked again until it passes or the time is over: a receiver needs a while to notice."""
    end = time.monotonic() + seconds
    step = hears_nothing(ask())
    while step.status == FAIL and time.monotonic() < end:
        say(f"waiting for the replica to notice: {step.message}")
        time.sleep(min(5.0, max(0.1, end - time.monotonic())))
        step = hears_nothing(ask())
    return step


def is_foremost(candidate: Candidate, others: list[tuple[str, Standby | str]]) -> PromotionStep:
    """No other replica has received more."""
    name = "target has received the most"
    mine = _received(candidate.standby)
    for at, other in others:
        if isinstance(other, Standby) and other.in_recovery and _received(other) > mine:
            ahead = _received(other) - mine
            return PromotionStep(name, FAIL, f"{at} has {ahead:,} bytes more: promote that one.")
    silent = [at for at, other in others if isinstance(other, str)]
    if silent:
        return PromotionStep(name, WARN, f"{', '.join(silent)} does not answer and may have more.")
    return PromotionStep(
        name, PASS, f"up to {candidate.standby.received_lsn}" + ("" if others else "; it is the only one")
    )


def reckon_loss(candidate: Candidate, memory: Remembered | None, foremost: PromotionStep) -> Loss:
    standby = candidate.standby
    if memory is None or memory.system_identifier != str(standby.system_identifier):
        return Loss(
            False, None, "Unknown: no worker ever wrote down how far the primary was (DATA_DIR/replication.json)."
        )
    missing = max(0, lsn(memory.lsn) - _received(standby))
    state = memory.sync_states.get(candidate.name, "")
    stale = standby.replayed_at is not None and standby.replayed_at - memory.at > STALE
    has_all = state == "sync" or (state == "quorum" and foremost.status == PASS)
    if memory.synchronous and has_all and not stale:
        # bytes may be missing all the same: log of transactions that nobody was told had committed
        return Loss(True, missing, f"Nothing that was acknowledged: commits waited for {candidate.name} ({state}).")
    since = clock.iso(memory.at)
    if missing:
        told = f"{missing:,} bytes of the log that the primary had at {since}, and what was committed after that."
    else:
        told = f"Nothing of what the primary had at {since}; what was committed after that moment and not received."
    return Loss(False, missing, told)


def within_bound(loss: Loss, most_bytes: int, accepted: bool) -> PromotionStep:
    name = "what may be lost"
    if loss.nothing:
        return PromotionStep(name, PASS, loss.message)
    if loss.known_bytes is not None and loss.known_bytes <= most_bytes:
        return PromotionStep(name, WARN, loss.message)
    if accepted:
        return PromotionStep(name, WARN, f"{loss.message} You accepted that.")
    return PromotionStep(name, FAIL, f"{loss.message} More than {most_bytes:,} bytes or unknown needs --accept-loss.")


def _received(standby: Standby) -> int:
    """A replica that was restarted and never streamed since has only what it replayed."""
    return max(lsn(each) for each in (standby.received_lsn, standby.replayed_lsn, "0/0") if each)

"""What the primary last said, kept in a file: when the primary is gone, it alone tells what a replica may lack.

A worker writes it every few seconds. It must not lie in the database, which is what is lost when it is needed.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg

from quadra.backup.replica.sides import address, admin_url, ask_primary, connected
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.core.typed import Typed


class Remembered(msgspec.Struct, frozen=True):
    at: datetime
    """By the primary's clock."""
    primary: str
    system_identifier: str
    timeline: int
    lsn: str
    synchronous: bool
    """Whether commits waited for a replica to have them on its disk."""
    sync_states: dict[str, str]
    """Name of each replica -> sync, quorum, potential or async. A name that two replicas share is left out."""


_remembered = Typed(Remembered)
WAITING = {"on", "remote_apply"}
"""Settings of synchronous_commit with which a commit that returned is on a replica's disk."""


def path_of(settings: Settings) -> Path:
    return settings.data_dir / "replication.json"


def remember(settings: Settings) -> Remembered | None:
    """Ask the primary and write down what it says. None, and the file as it was, where there is no primary to ask.

    Raises `psycopg.Error` when it does not answer: what is remembered stays.
    """
    if not settings.database_url.startswith("postgresql"):
        return None
    url = admin_url(settings)
    with connected(url) as connection:
        primary = ask_primary(connection)
    if primary is None:
        return None
    names = [each.application_name for each in primary.replicas]
    memory = Remembered(
        at=primary.now,
        primary=address(url),
        system_identifier=str(primary.system_identifier),
        timeline=primary.timeline,
        lsn=primary.lsn,
        synchronous=bool(primary.synchronous_standby_names) and primary.synchronous_commit in WAITING,
        sync_states={
            each.application_name: each.sync_state or ""
            for each in primary.replicas
            if names.count(each.application_name) == 1
        },
    )
    path = path_of(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(msgspec.json.encode(memory))
    part.replace(path)
    return memory


def watch(runtime: Runtime) -> None:
    """`remember`, as a tick of the worker's upkeep."""
    try:
        remember(runtime.settings)
    except psycopg.Error as error:
        raise Unavailable(f"The primary does not say how far it is: {str(error).strip()}") from error


def recall(settings: Settings) -> Remembered | None:
    """None where nothing was ever written down, or what was cannot be read."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        return _remembered.decode(path_of(settings).read_bytes())
    return None

"""A base backup: the whole PostgreSQL cluster as one tar stream, to which the archived log is added to reach any later moment.

It carries the log of its own duration (`--wal-method=fetch`) and a manifest of its files' hashes, so that it can be restored
alone and checked by `pg_verifybackup`.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import psycopg

from quadra.backup.dumps import programs
from quadra.backup.dumps.postgres_programs import Person, ProgramFailed, find
from quadra.backup.replica.sides import address, admin_url, connected, conninfo, one
from quadra.backup.replica.status import first_line
from quadra.backup.stores.tar_files import extract
from quadra.core.errors import Conflict, Unavailable
from quadra.core.settings import Settings

POINT = re.compile(r"write-ahead log (start|end) point: ([0-9A-F]+/[0-9A-F]+)(?: on timeline (\d+))?")
NEEDS = (
    "A base backup needs wal_level = replica, a free max_wal_senders, a line for `replication` in pg_hba.conf, and a user "
    "with REPLICATION (QUADRA_POSTGRES_ADMIN_URL)."
)


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What must be known of a base backup to restore it; it goes into the manifest."""

    system_identifier: str
    major: int
    timeline: int
    start_lsn: str
    stop_lsn: str
    finished_at: datetime
    """By the server's clock: the first moment this backup can be brought to."""
    database_bytes: int
    """Of all databases of the cluster; unpacked it needs a little more."""


def take(settings: Settings, write: Callable[[bytes], object], on_bytes: Callable[[int, int], object]) -> BaseFacts:
    """Stream the cluster's tar into `write`; `on_bytes(done, about_in_all)` as it goes.

    Raises `Unavailable` when the server is away, `ProgramFailed` with its reason, `Misconfigured` without pg_basebackup.
    """
    url = admin_url(settings)
    try:
        with connected(url) as connection:
            before = one(
                connection,
                "SELECT system_identifier::text AS system, current_setting('server_version_num')::int / 10000 AS major, "
                "(SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint AS bytes, pg_is_in_recovery() AS replica, "
                "(SELECT count(*) FROM pg_tablespace) AS spaces FROM pg_control_system()",
            )
            if before["spaces"] > 2:
                raise Conflict("The cluster has tablespaces of its own; a base backup here is one stream without them.")
    except psycopg.OperationalError as error:
        raise Unavailable(f"The database at {address(url)} does not answer: {first_line(error)}") from error
    program, target = find("pg_basebackup", settings), f"--dbname={conninfo(url.set(password=None))}"
    options = [
        "--pgdata=-",
        "--format=tar",
        "--wal-method=fetch",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--verbose",
        "--no-password",
    ]
    done = 0

    def pump(chunk: bytes) -> None:
        nonlocal done
        write(chunk)
        done += len(chunk)
        on_bytes(done, int(before["bytes"]))

    try:
        password = {"PGPASSWORD": str(url.password)} if url.password else {}
        text = programs.read_from([program, target, *options], pump, password)
    except ProgramFailed as error:
        raise ProgramFailed(f"{error.message} {NEEDS}") from None
    points = {match[1]: match for match in POINT.finditer(text)}
    with connected(url) as connection:
        finished_at = one(connection, "SELECT clock_timestamp() AS now")["now"]
    return BaseFacts(
        system_identifier=before["system"],
        major=before["major"],
        timeline=int(points["start"][3]),
        start_lsn=points["start"][2],
        stop_lsn=points["end"][2],
        finished_at=finished_at,
        database_bytes=int(before["bytes"]),
    )


def unpack(stream: IO[bytes], directory: Path, who: Person) -> None:
    """Unpack a base backup's tar into an empty directory that then belongs to `who`."""
    directory.chmod(0o700)  # PostgreSQL starts on nothing wider
    who.own(directory)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            extract(tar, member, directory)
            who.own(directory / member.name)


def free_bytes(path: Path) -> int:
    """Of the file system that `path`, or the nearest parent that exists, lies on."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free

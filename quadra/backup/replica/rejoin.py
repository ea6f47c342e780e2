"""The old primary comes back as a replica of the new one: pg_rewind takes back what it wrote alone, then it follows.

Runs on the old primary's machine. It must be stopped; its data directory is changed, nothing of the new primary.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa

from quadra.backup.dumps.postgres_programs import Person, ProgramFailed, find, run
from quadra.backup.replica.sides import address, ask_primary, connected, conninfo
from quadra.backup.replica.status import first_line
from quadra.backup.wal_archive import restore_command
from quadra.core.errors import Conflict, Invalid, Unavailable
from quadra.core.settings import Settings

OWN = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "postgresql.auto.conf")
"""What pg_rewind replaces by the new primary's: port, memory and addresses are this machine's own."""
STREAM_SECONDS = 60
ARCHIVE = "If log is missing that was archived, set QUADRA_WAL_ARCHIVE and try again."
INSTEAD = "Otherwise move the directory away and make a new replica: pg_basebackup --write-recovery-conf."


@dataclass(frozen=True, slots=True)
class Rejoin:
    data: Path
    primary: sa.URL
    who: Person
    name: str
    """application_name, by which the new primary will know it."""
    config_file: Path | None = None
    dry_run: bool = False
    start: bool = True

    @property
    def log(self) -> Path:
        return self.data.with_name(f"{self.data.name}-rejoin.log")


def rejoin(settings: Settings, wanted: Rejoin, say: Callable[[str], object]) -> str | None:
    """Rewind, follow, and wait until it streams; its state as the new primary sees it.

    Raises `Conflict`, `Invalid`, `Unavailable` or `ProgramFailed`, before anything is changed where possible.
    """
    major = _major(wanted.data)
    control = _controldata(settings, wanted, major)
    say(f"{wanted.data}: cluster {control['Database system identifier']}, stopped, {control['Database cluster state']}")
    _check_primary(wanted, control, say)
    if wanted.dry_run:
        say("a real run now rewinds it and starts it as a replica; nothing was changed")
        return None
    wanted.log.touch()
    _rewind(settings, wanted, major)
    say("rewound: it holds nothing any more that the new primary does not have")
    if not wanted.start:
        say("start it as this machine always does; it follows by itself")
        return None
    options = ["-o", f"-c config_file={wanted.config_file}"] if wanted.config_file else []
    command: list[str | Path] = [
        find("pg_ctl", settings, major=major),
        "start",
        "-D",
        wanted.data,
        "-w",
        "-t",
        "60",
        *options,
    ]
    run(command, log=wanted.log, who=wanted.who, cwd=wanted.data)
    say("started")
    return _wait_until_it_streams(wanted)


def _major(data: Path) -> int:
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        raise Invalid(f"{data} is no data directory of PostgreSQL.", fields={"data_dir": "has no PG_VERSION"}) from None


def _controldata(settings: Settings, wanted: Rejoin, major: int) -> dict[str, str]:
    owner = wanted.data.stat().st_uid
    if owner != wanted.who.uid:
        raise Invalid(
            f"{wanted.data} belongs to the user with the id {owner}, not to {wanted.who.name}.",
            fields={"as_user": "the owner of the data directory"},
        )
    pid_file = wanted.data / "postmaster.pid"
    if pid_file.exists() and Path(f"/proc/{pid_file.read_text().split()[0]}").exists():
        raise Conflict(f"The server in {wanted.data} runs (process {pid_file.read_text().split()[0]}): stop it first.")
    program = find("pg_controldata", settings, major=major)
    printed = subprocess.run(
        [str(program), str(wanted.data)], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    )
    control = dict(re.findall(r"^(.+?):\s+(.*)$", printed.stdout, re.MULTILINE))
    if control["wal_log_hints setting"] == "off" and control["Data page checksum version"] == "0":
        raise Conflict(
            "pg_rewind needs wal_log_hints = on or data checksums, and this cluster had neither: remove it and make a new "
            "replica with pg_basebackup --write-recovery-conf."
        )
    return control


def _check_primary(wanted: Rejoin, control: dict[str, str], say: Callable[[str], object]) -> None:
    try:
        with connected(wanted.primary) as connection:
            primary = ask_primary(connection)
            if primary is not None:
                # its control file must name the new timeline, or pg_rewind finds nothing to do
                connection.execute("CHECKPOINT")
                primary = ask_primary(connection)
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"The new primary at {address(wanted.primary)} does not answer: {first_line(error)}"
        ) from error
    if primary is None:
        raise Conflict(f"{address(wanted.primary)} is a replica itself: name the primary.")
    if str(primary.system_identifier) != control["Database system identifier"]:
        raise Conflict(
            f"{address(wanted.primary)} is another cluster ({primary.system_identifier}): nothing to rejoin."
        )
    say(f"{address(wanted.primary)} is the primary, on timeline {primary.timeline}")


def _rewind(settings: Settings, wanted: Rejoin, major: int) -> None:
    kept = {name: (wanted.data / name).read_bytes() for name in OWN if (wanted.data / name).exists()}
    source = wanted.primary.set(password=None)
    made = psycopg.conninfo.make_conninfo(conninfo(source), application_name=wanted.name)
    command: list[str | Path] = [find("pg_rewind", settings, major=major), "--target-pgdata", wanted.data]
    command += ["--source-server", made, "--write-recovery-conf"]
    if wanted.config_file:
        command += ["--config-file", wanted.config_file]
    if settings.wal_archive:
        # it reads back to before the two parted, where its own pg_wal often does not reach any more
        command.append("--restore-target-wal")
        with (wanted.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"# quadra replica rejoin\nrestore_command = '{restore_command(settings.wal_archive)}'\n")
        kept["postgresql.auto.conf"] = (wanted.data / "postgresql.auto.conf").read_bytes()
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "PGPASSWORD": str(wanted.primary.password or "")}
    try:
        run(command, log=wanted.log, who=wanted.who, cwd=wanted.data, env=environment, seconds=24 * 3600)
    except ProgramFailed as error:
        raise ProgramFailed(
            f"{error.message}\n{INSTEAD if settings.wal_archive else f'{ARCHIVE} {INSTEAD}'}"
        ) from error
    written = (wanted.data / "postgresql.auto.conf").read_text().splitlines()
    follow = [line for line in written if line.startswith("primary_conninfo")][-1]
    for name, content in kept.items():
        (wanted.data / name).write_bytes(content)
        wanted.who.own(wanted.data / name)
    with (wanted.data / "postgresql.auto.conf").open("a") as file:
        file.write(f"# quadra replica rejoin\n{follow}\n")


def _wait_until_it_streams(wanted: Rejoin) -> str:
    end = time.monotonic() + STREAM_SECONDS
    while time.monotonic() < end:
        with connected(wanted.primary) as connection:
            row = connection.execute(
                "SELECT state FROM pg_stat_replication WHERE application_name = %s", [wanted.name]
            ).fetchone()
        if row and row["state"] == "streaming":
            return "streaming"
        time.sleep(0.2)
    raise Conflict(f"It runs and does not stream after {STREAM_SECONDS} s: see {wanted.log} and the server's own log.")

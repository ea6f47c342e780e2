"""A recovered cluster beside the living one: its own directory, its own port, its own log. It never touches another cluster.

It archives nothing until somebody decides to keep it: two clusters that write to one archive would spoil it. What it writes
meanwhile waits in its own `pg_wal`.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from quadra.backup.dumps.postgres_programs import Person, ProgramFailed, find, run, tail
from quadra.backup.pitr import base_backup
from quadra.backup.pitr.base_backup import free_bytes
from quadra.backup.pitr.plan import Plan
from quadra.backup.replica.sides import connected, one
from quadra.backup.wal_archive import restore_command
from quadra.core.errors import Conflict, Invalid
from quadra.core.settings import Settings

ROOM_BYTES = 512 * 2**20
"""Beside the data: the log that is replayed, and what the server writes while it does."""
RECOVERY_SECONDS = 24 * 3600
START_SECONDS = 15
"""After which a server without a process has not started; before, it may not have written its process id yet."""
HBA = "# Written by quadra pitr: only from this machine, with a password.\nhost all all 127.0.0.1/32 scram-sha-256\n"
SIZES = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_xacts", "max_locks_per_xact")
Told = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Place:
    directory: Path
    port: int
    who: Person

    @property
    def log(self) -> Path:
        """Beside the data: in it, it is a file that the manifest does not know."""
        return self.directory.with_name(f"{self.directory.name}.log")


def check_place(place: Place, plan: Plan, live: str | None) -> None:
    """Raises `Conflict` or `Invalid` before anything is written: not empty, not enough room, not allowed, port taken."""
    directory = place.directory
    if live is not None and directory.resolve().is_relative_to(Path(live).resolve()):
        raise Conflict(f"{directory} is in the data of the living cluster.", fields={"directory": "somewhere else"})
    if directory.exists() and any(directory.iterdir()):
        raise Conflict(f"{directory} is not empty.", fields={"directory": "an empty or new directory"})
    need, free = int(plan.base.facts.database_bytes * 1.2) + ROOM_BYTES, free_bytes(directory)
    if free < need:
        raise Conflict(
            f"{directory} has {free / 2**30:.1f} GB free, and the recovered cluster needs about {need / 2**30:.1f} GB.",
            fields={"directory": "a disk with more room"},
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", place.port))
        except OSError as error:
            raise Conflict(f"Port {place.port} is taken.", fields={"port": "another one"}) from error


def build(settings: Settings, plan: Plan, place: Place, archive: Path, say: Told) -> None:
    """Unpack, verify each file's hash, configure, start, and wait until the moment is reached. Raises `ProgramFailed`."""
    major = plan.base.facts.major
    _make_directory(place)
    say(f"unpacking the base backup {plan.base.id}")
    with plan.base.open() as stream:
        base_backup.unpack(stream, place.directory, place.who)
    say("verifying the hash of every file")
    verify = find("pg_verifybackup", settings, major=major)
    run([verify, "--quiet", place.directory], log=place.log, who=place.who, cwd=place.directory, seconds=3600)
    _configure(settings, plan, place, archive)
    say(f"replaying {len(plan.chain.segments)} segments of the log on port {place.port}")
    control = find("pg_ctl", settings, major=major)
    run([control, "start", "-D", place.directory, "-W"], log=place.log, who=place.who, cwd=place.directory)
    try:
        _wait_until_recovered(settings, place, say)
    except BaseException:
        stop(settings, place, major)
        raise


def stop(settings: Settings, place: Place, major: int) -> None:
    """Stop the recovered cluster where it runs; its files stay."""
    if (place.directory / "postmaster.pid").exists():
        control = find("pg_ctl", settings, major=major)
        command = [str(control), "stop", "-D", str(place.directory), "-m", "fast"]
        with place.log.open("ab") as out:
            subprocess.run(command, stdout=out, stderr=out, check=False, cwd=place.directory, **place.who.demotion)


def url_of(settings: Settings, place: Place) -> sa.URL:
    """The database in the recovered cluster, with the user and password that it had."""
    return sa.make_url(settings.database_url).set(host="127.0.0.1", port=place.port, query={})


def _make_directory(place: Place) -> None:
    """For `who`, who must be able to come there: a directory below somebody's home is a usual mistake."""
    made = [path for path in (place.directory, *place.directory.parents) if not path.exists()]
    place.directory.mkdir(parents=True, exist_ok=True)
    for path in made:
        place.who.own(path)
    place.who.own(place.directory)
    place.log.touch()
    place.who.own(place.log)
    done = subprocess.run(["test", "-w", str(place.directory)], check=False, **place.who.demotion)
    if done.returncode != 0:
        raise Invalid(
            f"The user {place.who.name} may not write to {place.directory}: a directory above is closed to them.",
            fields={"directory": f"one that {place.who.name} can enter"},
        )


def _configure(settings: Settings, plan: Plan, place: Place, archive: Path) -> None:
    """Last lines of postgresql.auto.conf: they win over everything the base backup brought along."""
    facts = plan.base.facts
    wanted: dict[str, Any] = {
        "port": place.port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "archive_command": "",
        "primary_conninfo": "",
        "synchronous_standby_names": "",
        "cluster_name": "quadra-pitr",
        "logging_collector": "off",
        "log_destination": "stderr",
        "lc_messages": "C",
        "external_pid_file": "",
        "hot_standby": "off",
        "restore_command": restore_command(archive),
        "recovery_target_timeline": plan.chain.timeline,
        "recovery_target_action": "promote",
    }
    if plan.target is not None:
        wanted["recovery_target_time"] = plan.target.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    configuration = place.directory / "postgresql.conf"
    if not configuration.exists():  # Debian keeps it elsewhere, and a base backup has the data directory alone
        sizes = _sizes(settings, place, facts.major)
        configuration.write_text("".join(f"{key} = {value}\n" for key, value in sizes.items()))
        place.who.own(configuration)
    for name, text in (("pg_hba.conf", HBA), ("pg_ident.conf", "")):
        if not (place.directory / name).exists():
            (place.directory / name).write_text(text)
            place.who.own(place.directory / name)
    with (place.directory / "postgresql.auto.conf").open("a") as file:
        file.write("# quadra pitr\n")
        file.writelines(f"{key} = '{str(value).replace(chr(39), chr(39) * 2)}'\n" for key, value in wanted.items())
    (place.directory / "standby.signal").unlink(missing_ok=True)
    signal_file = place.directory / "recovery.signal"
    signal_file.touch()
    place.who.own(signal_file)


def _sizes(settings: Settings, place: Place, major: int) -> dict[str, int]:
    """What the primary had: a cluster with less refuses to recover."""
    program = find("pg_controldata", settings, major=major)
    control = subprocess.run([str(program), str(place.directory)], capture_output=True, text=True, check=True).stdout
    names = {"max_prepared_xacts": "max_prepared_transactions", "max_locks_per_xact": "max_locks_per_transaction"}
    found = {name: re.search(rf"^{name} setting:\s+(\d+)", control, re.MULTILINE) for name in SIZES}
    return {names.get(name, name): int(match[1]) for name, match in found.items() if match}


def _wait_until_recovered(settings: Settings, place: Place, say: Told) -> None:
    url, shown = url_of(settings, place), 0
    started = time.monotonic()
    while time.monotonic() < started + RECOVERY_SECONDS:
        replayed = place.log.read_text(errors="replace").count("restored log file")
        if replayed >= shown + 50:
            shown = replayed
            say(f"{replayed} segments replayed")
        try:
            with connected(url) as connection:
                if not one(connection, "SELECT pg_is_in_recovery() AS it")["it"]:
                    return
        except psycopg.errors.InvalidCatalogName:
            raise Conflict(f"The recovered cluster has no database {url.database!r} at that moment.") from None
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error) or "no pg_hba.conf entry" in str(error):
                raise Conflict(f"The recovered cluster does not let {url.username} in: {error}") from error
        if not _runs(place) and ("FATAL" in tail(place.log) or time.monotonic() > started + START_SECONDS):
            raise ProgramFailed(f"Recovery ended too early: {_fatal(place.log)}")
        time.sleep(0.1)
    raise ProgramFailed(f"Recovery did not end within {RECOVERY_SECONDS} s; see {place.log}")


def _runs(place: Place) -> bool:
    pid_file = place.directory / "postmaster.pid"
    try:
        return Path(f"/proc/{int(pid_file.read_text().splitlines()[0])}").exists()
    except (FileNotFoundError, IndexError, ValueError):
        return False


def _fatal(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if "FATAL" in line or "PANIC" in line]
    return lines[-1] if lines else tail(log)


def reached(place: Place) -> str | None:
    """What the server's own log says about where it stopped."""
    lines = [
        line.partition("LOG:")[2].strip()
        for line in place.log.read_text(errors="replace").splitlines()
        if "recovery stopping" in line or "last completed transaction" in line
    ]
    return "; ".join(lines) or None

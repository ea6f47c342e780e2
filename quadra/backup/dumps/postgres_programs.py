"""PostgreSQL's own programs: where they lie, as whom they run, and what to say when one is missing or fails."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quadra.core.errors import Invalid, Misconfigured, QuadraError
from quadra.core.settings import Settings

DEBIAN = Path("/usr/lib/postgresql")


class ProgramFailed(QuadraError):
    """One of PostgreSQL's programs failed."""

    code = "program_failed"


@dataclass(frozen=True, slots=True)
class Person:
    """As whom PostgreSQL's server programs run: they refuse root."""

    name: str
    uid: int
    gid: int

    @property
    def demotion(self) -> dict[str, Any]:
        """Arguments for `subprocess` where this is somebody else than we are."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.uid != os.geteuid() else {}

    def own(self, path: Path) -> None:
        if self.demotion:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def person(name: str | None) -> Person:
    """Who runs a server: whoever we are, and for root the one named, else `postgres`. Raises `Invalid`."""
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        if name and name != me.pw_name:
            raise Invalid(f"Only root can act as {name}; you are {me.pw_name}.", fields={"as_user": "leave it out"})
        return Person(me.pw_name, me.pw_uid, me.pw_gid)
    try:
        account = pwd.getpwnam(name or "postgres")
    except KeyError:
        say = "PostgreSQL refuses to run as root. Name the user that owns its data with --as-user"
        raise Invalid(f"{say}: there is no user {name or 'postgres'}.", fields={"as_user": "no such user"}) from None
    if account.pw_uid == 0:
        raise Invalid("PostgreSQL refuses to run as root.", fields={"as_user": "not root"})
    return Person(account.pw_name, account.pw_uid, account.pw_gid)


def find(program: str, settings: Settings, *, major: int | None = None) -> Path:
    """The program, of the PostgreSQL version `major` where that matters. Raises `Misconfigured` with what to install."""
    directories = [settings.postgres_bin] if settings.postgres_bin else _directories(major)
    for directory in directories:
        found = shutil.which(program, path=str(directory))
        if found and (major is None or version(Path(found)) == major):
            return Path(found)
    wanted = f"postgresql-{major}" if major else "postgresql (its client for pg_dump and pg_basebackup)"
    raise Misconfigured(
        f"{program} is not on this machine{f' for PostgreSQL {major}' if major else ''}: install {wanted}, "
        "or set QUADRA_POSTGRES_BIN to the directory it lies in."
    )


def version(program: Path) -> int:
    """The major version that a program says it is; 0 where it says none."""
    version = subprocess.run(
        [str(program), "--version"], capture_output=True, text=True, check=False, timeout=30
    ).stdout
    match = re.search(r"\) (\d+)", version)
    return int(match[1]) if match else 0


def run(
    command: Sequence[str | Path], *, log: Path, who: Person | None = None, seconds: float = 600, **options: Any
) -> None:
    """Run to the end, what it says appended to `log`: a server that it starts would hold a pipe open for ever.

    Raises `ProgramFailed` with the last lines.
    """
    with log.open("ab") as out:
        if who:
            who.own(log)
        start = out.tell()
        try:
            done = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=seconds,
                check=False,
                **(who.demotion if who else {}),
                **options,
            )
        except subprocess.TimeoutExpired as error:
            raise ProgramFailed(f"{Path(command[0]).name} did not end within {seconds:.0f} s; see {log}") from error
    if done.returncode != 0:
        raise ProgramFailed(f"{Path(command[0]).name} failed: {tail(log, start) or f'exit {done.returncode}'}")


def tail(log: Path, start: int = 0) -> str:
    """The last six lines that were written to a log since `start`."""
    with log.open("rb") as file:
        file.seek(start)
        return "\n".join(file.read().decode(errors="replace").strip().splitlines()[-6:])


def _directories(major: int | None) -> list[Path]:
    """Debian's, newest first, then PATH: on Debian, PATH has only wrappers that do not know every program."""
    versions = [path for path in DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    newest_first = sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    wanted = [path for path in newest_first if major is None or int(path.parent.name) == major]
    return wanted + [Path(entry) for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry]

"""A database's own programs, run with their content on a pipe and their complaints in a file."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from quadra.backup.dumps.postgres_programs import ProgramFailed

CHUNK = 2**20


def read_from(command: Sequence[str | Path], write: Callable[[bytes], object], environment: Mapping[str, str]) -> str:
    """Run a program and hand on what it prints. Returns what it said beside; raises `ProgramFailed` with that, and what `write`
    raises.
    """
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=_bare(environment),
        ) as process:
            assert process.stdout is not None
            try:
                while chunk := process.stdout.read(CHUNK):
                    write(chunk)
            except BaseException:
                process.kill()  # the disk is full, or somebody pressed Ctrl-C: it must not wait for us for ever
                raise
        return _check(command, process.returncode, output)


def run(command: Sequence[str | Path], environment: Mapping[str, str], stdin: Path | None = None) -> None:
    """Run a program, with a file as its input. Raises `ProgramFailed`."""
    with tempfile.TemporaryFile() as output, (stdin or Path("/dev/null")).open("rb") as source:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=source,
            stdout=output,
            stderr=output,
            env=_bare(environment),
            check=False,
        )
        _check(command, done.returncode, output)


def _check(command: Sequence[str | Path], code: int, output: IO[bytes]) -> str:
    output.seek(0)
    words = output.read().decode(errors="replace").strip()
    if code == 0:
        return words
    lines = [line for line in words.splitlines() if "error" in line.lower() or "FATAL" in line] or words.splitlines()
    raise ProgramFailed(f"{Path(command[0]).name} failed: {' '.join(lines[:3])[:500] or f'exit code {code}'}")


def _bare(given: Mapping[str, str]) -> dict[str, str]:
    """Passwords go by the environment: arguments are seen by everybody on the machine."""
    return {"LC_ALL": "C", "PATH": "/usr/bin:/bin", **given}

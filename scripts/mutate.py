#!/usr/bin/env python3
"""Put small faults into the code, one at a time, and see whether the tests notice: `make mutate ARGS=quadra/accounts`.

cosmic-ray makes the faults, in the files themselves: what runs in processes of its own, as most tests of Quadra want it, has the
fault too. That happens in a copy, so that work goes on beside it. What no test noticed is shown as a diff at the end; look at
each, since some change nothing that anybody can see. docs/testing.md keeps what was found.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkItem

TOP = Path(__file__).resolve().parents[1]
PYTHON = TOP / ".venv" / "bin" / "python"
UNSEEN = ("core/ReplaceBinaryOperator_BitOr",)
"""Operators whose faults nobody can see: `str | None` stands in annotations, which nothing evaluates."""


def main() -> int:
    given = _arguments()
    files = sorted(one for path in given.paths for one in ([path] if path.is_file() else path.rglob("*.py")))
    tests = given.tests or sorted({_tests_of(path) for path in files})
    with tempfile.TemporaryDirectory(prefix="quadra-mutate-") as directory:
        _copy(Path(directory))
        os.chdir(directory)
        os.environ["PYTHONPATH"] = directory  # before the installed one, which is the original
        command = shlex.join(
            [str(PYTHON), *["-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"], *tests]
        )
        print(f"Tests: {command}", flush=True)
        if subprocess.run(shlex.split(command)).returncode != 0:
            print("The tests fail without any fault: mend that first.", file=sys.stderr)
            return 2
        chosen = _choose(files, given.faults, given.seed)
        missed = [
            diff for number, item in enumerate(chosen, start=1) if (diff := _try(item, command, given.seconds, number))
        ]
    for diff in missed:
        print(f"\nNot noticed:\n{diff}")
    print(f"\n{len(chosen) - len(missed)} of {len(chosen)} faults were noticed.")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put small faults into the code and see whether the tests notice.")
    parser.add_argument("paths", nargs="+", type=_path, help="files or folders, such as quadra/accounts")
    parser.add_argument("--tests", nargs="+", help="what to run; without it, the tests of the same rooms")
    parser.add_argument("--faults", type=int, default=20, help="how many, drawn from all that are possible (20)")
    parser.add_argument("--seed", type=int, default=1, help="another one draws other faults (1)")
    parser.add_argument("--seconds", type=int, default=900, help="after which a run has noticed by hanging (900)")
    return parser.parse_args()


def _path(text: str) -> Path:
    path = (TOP / text).resolve()
    if not path.exists() or not path.is_relative_to(TOP / "quadra"):
        raise argparse.ArgumentTypeError(f"there is no {text} under quadra/")
    return path.relative_to(TOP)


def _tests_of(path: Path) -> str:
    """Rooms of `tests/` mirror those of `quadra/`; a file beside the rooms is covered by all of them."""
    room = TOP / "tests" / path.relative_to("quadra").parts[0]
    return str(room.relative_to(TOP)) if room.is_dir() else "tests"


def _copy(directory: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=TOP, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (TOP / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, directory / name)
    vendor = Path("quadra/dashboard/static/vendor")  # made by `make run`, not kept by git
    if (TOP / vendor).is_dir():
        shutil.copytree(TOP / vendor, directory / vendor)


def _choose(files: list[Path], count: int, seed: int) -> list[WorkItem]:
    with use_db("faults.sqlite", WorkDB.Mode.create) as possible:
        init(files, possible, {})
        found = [item for item in possible.work_items if not item.mutations[0].operator_name.startswith(UNSEEN)]
    found.sort(
        key=lambda item: (item.mutations[0].module_path, item.mutations[0].start_pos, item.mutations[0].operator_name)
    )
    print(f"{len(found)} faults are possible in {len(files)} files; trying {min(count, len(found))}.", flush=True)
    return random.Random(seed).sample(found, min(count, len(found)))


def _try(item: WorkItem, command: str, seconds: int, number: int) -> str:
    """The diff of a fault that nobody noticed; empty for one that was."""
    (fault,) = item.mutations
    began = time.monotonic()
    result = mutate_and_test(item.mutations, command, seconds)
    noticed = result.test_outcome != TestOutcome.SURVIVED
    name = fault.operator_name.removeprefix("core/")
    said = "noticed" if noticed else "NOT NOTICED"
    print(
        f"{number:3} {said:11} {fault.module_path}:{fault.start_pos[0]} {name} {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return "" if noticed else str(result.diff)


if __name__ == "__main__":
    sys.exit(main())

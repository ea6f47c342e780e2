"""The directory of a rollout: its settings, its releases and where everything else lies. Files alone, no database: what heals
must not share the illness.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from quadra.core.errors import Invalid, Misconfigured
from quadra.core.settings import Settings
from quadra.core.typed import Typed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Plan(Struct):
    """`rollout.json`."""

    public_port: int
    replicas: int
    workers: int
    balancer: str


PLAN = Typed(Plan)


class Place:
    """Where things of this rollout are."""

    def __init__(self, root: Path):
        self.root = root.absolute()
        self.plan = self.root / "rollout.json"
        self.state = self.root / "state.json"
        self.journal = self.root / "journal.ndjson"
        self.lock = self.root / "lock"
        self.logs = self.root / "logs"
        self.releases = self.root / "releases"
        self.requests = self.root / "requests"

    def make(self) -> None:
        for directory in (self.root, self.logs, self.releases, self.requests):
            directory.mkdir(parents=True, exist_ok=True)

    def read_plan(self) -> Plan:
        try:
            return PLAN.decode(self.plan.read_bytes())
        except FileNotFoundError:
            raise Misconfigured(f"There is no {self.plan}. Make it: quadra rollout init --public-port 8080") from None
        except msgspec.MsgspecError as error:
            raise Misconfigured(f"{self.plan} cannot be read ({error}). Write it anew: quadra rollout init") from None

    def program(self, release: str) -> Path:
        return self.releases / release / "bin" / "quadra"

    def names(self) -> list[str]:
        """Of the releases, the newest first."""
        found = [
            path for path in self.releases.glob("*") if NAME.fullmatch(path.name) and self.program(path.name).is_file()
        ]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]

    def require_release(self, name: str, field: str = "NAME") -> None:
        """Raises `Invalid` for what is no release of this directory. A name, never a path."""
        if not NAME.fullmatch(name) or ".." in name:
            raise Invalid(
                f"{name!r} cannot be the name of a release.",
                fields={field: "letters, digits, dots, dashes and underscores, such as 2026-11-30"},
            )
        if not self.program(name).is_file():
            known = self.names()
            there = f"There is: {', '.join(known[:20])}." if known else "There is none yet."
            raise Invalid(
                f"There is no release {name!r}: {self.program(name)} is missing.",
                fields={field: f"the name of a folder in {self.releases} with bin/quadra. {there}"},
            )


def place_of(settings: Settings, directory: Path | None) -> Place:
    return Place(directory or settings.rollout_dir or settings.data_dir / "rollout")

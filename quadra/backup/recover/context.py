"""What the steps of a recovery share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from quadra.backup.stores.stores import Kept, Stores
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings


class Stuck(Exception):
    """Without this nothing that comes after makes sense; the text says what a person has to do."""


@dataclass
class Recovery:
    runtime: Runtime
    may_start: bool = True
    state: str = ""
    """Of the database: one of those in `recover_database`."""
    why: str = ""
    running: str = ""
    """The web process that serves this database, if one does."""
    changes: list[str] = field(default_factory=list)
    """What was repaired, in words."""

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @cached_property
    def stores(self) -> Stores:
        return Stores(self.settings)

    def backups(self) -> list[Kept]:
        """Newest first."""
        return self.stores.list()

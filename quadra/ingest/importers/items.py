"""What readers of all formats give to an import, and what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quadra.ingest.agents import UNKNOWN, Agent
from quadra.ingest.importers.access_log_events import Visitors
from quadra.ingest.importers.times import Times
from quadra.ingest.places import Places


class Item(NamedTuple):
    """One event as it came, or why it is none."""

    number: int
    """Its line; in a JSON file its place."""
    identity: bytes
    """What its id is made from where it has none of its own."""
    fields: Any
    """A dict of them, a plain event (see `plain`), or why it is none: `Refused`."""
    agent: Agent = UNKNOWN
    """The device, where it is about one."""


@dataclass(frozen=True)
class Reading:
    """What readers need to know beside the file."""

    visitors: Visitors
    times: Times
    places: Places | None = None
    """Of the addresses in a log."""
    mapped: Mapping[str, str] = field(default_factory=dict)
    """Of a table: which field a column is, where the user named it."""

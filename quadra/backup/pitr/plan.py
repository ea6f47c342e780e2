"""Decide how to reach a moment: from which base backup, over which segments. Refuses what cannot be reached and names what can.

Recovery stops before the first commit after the wanted time. So the time must lie after the end of a base backup, and before
the last commit that the archive holds; the very end is reached by wanting `latest`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from quadra.backup.pitr import wal_chain
from quadra.backup.pitr.base_backup import BaseFacts
from quadra.backup.pitr.wal_chain import Chain, lsn
from quadra.core import clock
from quadra.core.errors import Conflict


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup as point-in-time recovery needs it; `open` gives its plain tar."""

    id: str
    facts: BaseFacts
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Plan:
    base: Base
    chain: Chain
    target: datetime | None
    """None: all there is."""
    last_commit: datetime | None
    """The last one of the archive."""

    @property
    def replayed(self) -> str:
        return self.chain.segments[-1] if self.chain.segments else self.base.facts.stop_lsn


class OutOfReach(Conflict):
    """That moment cannot be reached."""

    code = "out_of_reach"


def parse_target(text: str) -> datetime | None:
    """A time of ISO 8601, UTC where it names no zone; None for `latest`. Raises `ValueError`."""
    if text.strip().lower() == "latest":
        return None
    at = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=clock.EPOCH.tzinfo)


def make_plan(bases: Sequence[Base], archive: Path, waldump: Path, target: datetime | None) -> Plan:
    """Raises `OutOfReach`, which says what the nearest reachable moment is."""
    if not bases:
        raise OutOfReach("There is no base backup. Next: quadra wal base")
    ordered = sorted(bases, key=lambda base: base.facts.finished_at)
    first = ordered[0].facts.finished_at
    if target is not None and target < first:
        raise OutOfReach(
            f"{clock.iso(target)} is before the first base backup ended. "
            f"The earliest reachable moment is {clock.iso(_round_up(first))}.",
            fields={"to": f"{clock.iso(_round_up(first))} or later"},
        )
    base = [each for each in ordered if target is None or each.facts.finished_at <= target][-1]
    chain = wal_chain.follow(archive, timeline=base.facts.timeline, start=lsn(base.facts.stop_lsn))
    last = wal_chain.last_commit(archive, chain, waldump)
    if target is not None and (last is None or target >= last):
        _refuse(base, chain, target, last)
    if target is None and chain.gaps:
        raise OutOfReach(f"The archive is not whole: {chain.gaps[0]}. {_nearest(base, last)}")
    return Plan(base, chain, target, last)


def _refuse(base: Base, chain: Chain, target: datetime, last: datetime | None) -> None:
    why = f"the archived log ends at {chain.segments[-1]}" if chain.segments else "no log was archived after it"
    if chain.gaps:
        why = f"the archive is not whole: {chain.gaps[0]}"
    nearest = last - clock.MICROSECOND if last else base.facts.finished_at
    raise OutOfReach(
        f"{clock.iso(target)} cannot be reached from the base backup {base.id}: {why}. {_nearest(base, last)}",
        fields={"to": f"{clock.iso(nearest)} or earlier" + ("" if chain.gaps else ", or latest")},
    )


def _nearest(base: Base, last: datetime | None) -> str:
    if last is None:
        return f"The nearest reachable moment is the end of that backup, {clock.iso(base.facts.finished_at)}."
    return (
        f"The last commit there is was at {clock.iso(last)}; the nearest reachable moment is just before it, "
        f"{clock.iso(last - clock.MICROSECOND)}."
    )


def _round_up(at: datetime) -> datetime:
    """To a whole millisecond that is not before."""
    rest = at.microsecond % 1000
    return at + timedelta(microseconds=(1000 - rest) % 1000)

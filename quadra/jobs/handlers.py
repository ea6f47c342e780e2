"""What a job kind is to the engine: a function with a time limit and a place in the queue. The engine knows no kind by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from quadra.core.runtime import Runtime
from quadra.jobs.lease import Lease

DELIVERY = "deliver_"
"""What kinds begin with that hand sealed batches to other systems. Their jobs are of a project, not of one batch."""

Work = Callable[[Runtime, Lease], None]
"""Do the job that the lease is for. It blocks and has a thread of its own.

It may be called again for the same job, also while an earlier call still runs: what it changes in the database it
changes in a transaction that begins with `lease.succeed(session)` (the last one) or `lease.hold(session)` (any other).
It raises `Transient`, `Permanent` or `core.errors.Unavailable`; anything else counts as `Transient`.
"""

WorkTogether = Callable[[Runtime, Sequence[Lease]], None]
"""Do the jobs of these leases, as `Work` does one; the transaction that ends them begins with `succeed_together`. Whatever it
raises, each of them is then done by itself. Only first attempts are done together: one job that spoils it for the others
or hangs does so once.
"""


@dataclass(frozen=True, slots=True)
class Handler:
    work: Work
    together: WorkTogether | None = None
    """Where many jobs of the kind wait, this takes several of them: what they have in common is done once."""
    timeout: timedelta = timedelta(minutes=10)
    """Beyond this the attempt has failed, and what it still does has no effect."""
    priority: int = 0
    """The smaller, the sooner."""
    every_batch: bool = False
    """Whether each sealed batch gets a job of this kind."""
    apart: bool = False
    """Whether it has one thread of its own in each worker, beside JOB_CONCURRENCY: what it waits for holds up no other kind."""
    backfill: bool | None = None
    """Whether batches that were sealed before this kind existed get one too, as far back as JOB_KEEP. Without it, those of
    the last hour do. It must be said where `every_batch` is: a delivery to others is not wanted for last week."""

    def __post_init__(self) -> None:
        if self.every_batch and self.backfill is None:
            raise TypeError(
                "A kind of job for every batch must say whether earlier batches get one: backfill=True or False."
            )


def batch_kinds(handlers: Mapping[str, Handler]) -> dict[str, int]:
    """The kinds that each sealed batch gets a job of, and their priorities."""
    return {kind: handler.priority for kind, handler in handlers.items() if handler.every_batch}


def backfilled(handlers: Mapping[str, Handler]) -> frozenset[str]:
    """Those of them that earlier batches get too."""
    return frozenset(kind for kind, handler in handlers.items() if handler.every_batch and handler.backfill)

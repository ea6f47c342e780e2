"""Batches that were analysed long ago are archived, counts that no insight compares with any more are forgotten, and the
signals of projects are judged each minute."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep
from quadra.field import watching
from quadra.field.signals import OfProject
from quadra.insights import archive as archiving
from quadra.insights import signal_findings


def archive(runtime: Runtime) -> None:
    archived = archiving.AT_ONCE
    while archived == archiving.AT_ONCE:
        with runtime.database.begin() as session:
            archived = archiving.archive_due(session, after=runtime.settings.archive_after)
    with runtime.database.begin() as session:
        archiving.tidy(session)


def watch_signals(*more: OfProject) -> Upkeep:
    """`more`: the signals that projects have of their own."""
    return Upkeep("signals", lambda _: watching.EVERY, partial(watching.watch, tell=signal_findings.tell, more=more))


UPKEEP = (Upkeep("archive", lambda _: timedelta(hours=1), archive),)

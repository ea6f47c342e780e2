"""Batches that were analysed long ago are archived, and counts that no insight compares with any more are forgotten."""

from __future__ import annotations

from datetime import timedelta

from quadra.core.runtime import Runtime
from quadra.core.upkeep import Upkeep
from quadra.insights import archive as archiving


def archive(runtime: Runtime) -> None:
    archived = archiving.AT_ONCE
    while archived == archiving.AT_ONCE:
        with runtime.database.begin() as session:
            archived = archiving.archive_due(session, after=runtime.settings.archive_after)
    with runtime.database.begin() as session:
        archiving.tidy(session)


UPKEEP = (Upkeep("archive", lambda _: timedelta(hours=1), archive),)

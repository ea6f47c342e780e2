"""Decide about many dead letters at once. Whoever asks says how many they saw: where there are others by now, nothing is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from quadra.core.database import Database
from quadra.core.errors import Conflict, NotFound
from quadra.core.paging import Paged
from quadra.jobs import questions
from quadra.jobs.questions import Wanted
from quadra.jobs.tables import Job

MOST = 1_000
"""Dead letters of one request; the rest is for the next one."""
AT_ONCE = 100
"""Of one transaction: on SQLite no other process writes during it."""

Decide = Callable[[Session, str], Job]


@dataclass
class Decided:
    changed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """job id -> why"""
    left: int = 0


def decide_all(
    database: Database, wanted: Wanted, decide: Decide, *, expected: int, note: Callable[[Session, Decided], None]
) -> Decided:
    """`decide` about the newest `MOST` that are wanted. `note` is called in the transaction of each portion, with what was
    decided in it. Raises `Conflict` where there are not as many as expected.
    """
    with database.read() as session:
        page = questions.list_dead_letters(session, wanted, Paged(limit=MOST))
        ids = [job.id for job in page.jobs]
    if page.total != expected:
        raise Conflict(
            f"There are {page.total} such dead letters now, not {expected}. Look again, then say how many.",
            fields={"expected": f"{page.total}, as the list says now"},
        )
    done = Decided(left=page.total - len(ids))
    for start in range(0, len(ids), AT_ONCE):
        portion = Decided()
        with database.begin() as session:
            for job_id in ids[start : start + AT_ONCE]:
                try:
                    with session.begin_nested():
                        decide(session, job_id)
                    portion.changed.append(job_id)
                except (
                    Conflict,
                    NotFound,
                ) as error:  # another of its kind is unfinished, or another process was faster
                    portion.refused[job_id] = error.message
            if portion.changed:
                note(session, portion)
        done.changed += portion.changed
        done.refused |= portion.refused
    return done

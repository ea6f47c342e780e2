"""Alerts are evaluated: each at least once a minute, by one worker at a time, and what changed is written with its messages
in one transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.alerts import firing, metrics
from quadra.alerts.kind import Found, Kind, Look, Query
from quadra.alerts.kind_list import read_when
from quadra.alerts.tables import SUBJECT_MOST, Alert, Firing
from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime
from quadra.jobs.tables import rows_hit

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=50)
"""Between two evaluations of an alert: with the tick of upkeep it is less than a minute."""
BROKEN = "Evaluating it failed in a way that nobody expected; the worker's log has the reason (alerts.broken)."
AT_ONCE = 1_000
"""That one worker takes: those of one project are looked at together."""
KEEP_AFTER_SECONDS = 20.0
"""What takes so long is taken anew, or another worker takes it in between and what is found has no effect."""


def evaluate(runtime: Runtime) -> None:
    """Every alert that is due. Several workers may do this at once."""
    look = Look(runtime, clock.now())
    with closing(look):
        while taken := _take(runtime, look.at):
            with runtime.database.read() as session:
                projects = {project.id: project for project in session.scalars(sa.select(Project))}
                still_open = firing.open_firings(session, [alert.id for alert in taken])
            kept = time.monotonic()
            for project_id, alerts in groupby(taken, lambda alert: alert.project_id):
                rules = [_rule(projects[project_id], alert) for alert in alerts]
                look.prepare(projects[project_id], chain.from_iterable(rule.queries(look) for rule in rules))
                for rule in rules:
                    if time.monotonic() > kept + KEEP_AFTER_SECONDS:
                        kept = _keep(runtime, rule.alert.taken_by)
                    began = time.perf_counter()
                    _evaluate(look, rule, still_open.get(rule.alert.id, {}))
                    kind = str(rule.alert.when.get("kind"))
                    metrics.alert_evaluation_seconds.labels(kind).observe(time.perf_counter() - began)


@dataclass(frozen=True)
class _Rule:
    """An alert with its condition."""

    project: Project
    alert: Alert
    read: tuple[Kind[Any], Struct] | QuadraError
    """Or why it cannot be read."""

    def queries(self, look: Look) -> Sequence[Query]:
        if isinstance(self.read, QuadraError):
            return ()
        kind, when = self.read
        return kind.queries(look, self.project, when)

    def found(self, look: Look) -> dict[str, Found]:
        """By their subjects. Raises `QuadraError`."""
        if isinstance(self.read, QuadraError):
            raise self.read
        kind, when = self.read
        return {
            one.subject[:SUBJECT_MOST]: one
            for one in kind.look(look, self.project, when)
            if one.happened is None or one.happened >= self.alert.created_at
        }


def _rule(project: Project, alert: Alert) -> _Rule:
    try:
        return _Rule(project, alert, read_when(alert.when, project, kept=True))
    except QuadraError as error:
        return _Rule(project, alert, error)


def _take(runtime: Runtime, at: datetime) -> Sequence[Alert]:
    """Some that are due, for this worker alone."""
    due, token = at - EVERY, uuid7()
    with runtime.database.read() as session:
        ids = session.scalars(
            sa.select(Alert.id).where(Alert.looked_at <= due).order_by(Alert.looked_at).limit(AT_ONCE)
        ).all()
    if not ids:
        return []
    with runtime.database.begin() as session:
        mine = sa.update(Alert).where(Alert.id.in_(ids), Alert.looked_at <= due)
        rows_hit(session, mine.values(looked_at=at, taken_by=token))
    with runtime.database.read() as session:
        return session.scalars(
            sa.select(Alert).where(Alert.taken_by == token).order_by(Alert.project_id, Alert.id)
        ).all()


def _keep(runtime: Runtime, token: str | None) -> float:
    """What this worker has taken stays its own; what another one has taken meanwhile is left to that."""
    with runtime.database.begin() as session:
        rows_hit(session, sa.update(Alert).where(Alert.taken_by == token).values(looked_at=clock.now()))
    return time.monotonic()


def _evaluate(look: Look, rule: _Rule, still_open: Mapping[str, Firing]) -> None:
    """`still_open` was read after the alert was: what changed since then makes this evaluation one without effect."""
    runtime, project, alert = look.runtime, rule.project, rule.alert
    try:
        found = rule.found(look)
    except QuadraError as error:  # what cannot be asked is neither firing nor over
        if error.message != alert.last_error:
            _note(runtime, alert, last_error=error.message)
        return
    except Exception:  # one rule that breaks must not hold up those of everybody else
        logger.exception("alerts.broken", extra={"alert": alert.id, "project": project.slug})
        if alert.last_error != BROKEN:
            _note(runtime, alert, last_error=BROKEN)
        return
    pending = _pending(alert, found, look.at)
    begins = [
        one for subject, one in found.items() if subject not in still_open and _held(pending, subject, one, look.at)
    ]
    if begins:
        with runtime.database.read() as session:
            quiet = firing.quiet_subjects(session, alert, look.at)
        begins = [one for one in begins if one.subject not in quiet]
    ends = [one for subject, one in still_open.items() if subject not in found]
    muted = alert.muted_until is not None and alert.muted_until > look.at
    untold = [one for one in still_open.values() if not one.told and one.subject in found and not muted]
    kept = {subject: since for subject, since in pending.items() if subject not in still_open}
    if not begins and not ends and not untold and kept == alert.pending and alert.last_error is None:
        return
    with runtime.database.begin() as session:
        if not _still_as_it_was(session, alert, kept):
            return
        for one in begins:
            firing.begin(session, runtime.settings, alert, project, one, at=look.at, tell_now=not muted)
        for row in untold:
            firing.tell(session, runtime.settings, alert, project, session.merge(row), "firing")
        for row in ends:
            firing.end(session, runtime.settings, alert, project, session.merge(row), at=look.at)
    if begins or ends:
        logger.info(
            "alerts.evaluated",
            extra={"alert": alert.id, "project": project.slug, "firing": len(begins), "resolved": len(ends)},
        )


def _pending(alert: Alert, found: Mapping[str, Found], at: datetime) -> dict[str, str]:
    """Since when each condition that must hold for a while has held."""
    return {
        subject: alert.pending.get(subject, clock.iso(at)) for subject, one in found.items() if one.hold > timedelta(0)
    }


def _held(pending: Mapping[str, str], subject: str, found: Found, at: datetime) -> bool:
    since = pending.get(subject)
    return since is None or at - datetime.fromisoformat(since) >= found.hold


def _still_as_it_was(session: Session, alert: Alert, pending: dict[str, str]) -> bool:
    """Whether nobody changed it since it was read; then it is held until the transaction ends."""
    mine = sa.update(Alert).where(
        Alert.id == alert.id, Alert.changes == alert.changes, Alert.taken_by == alert.taken_by
    )
    return rows_hit(session, mine.values(changes=Alert.changes + 1, pending=pending, last_error=None)) > 0


def _note(runtime: Runtime, alert: Alert, *, last_error: str) -> None:
    with runtime.database.begin() as session:
        mine = sa.update(Alert).where(Alert.id == alert.id, Alert.changes == alert.changes)
        rows_hit(session, mine.values(last_error=last_error))


def forget(runtime: Runtime, *, older_than: timedelta) -> None:
    """Firings that were over long ago, with their messages."""
    before = clock.now() - older_than
    while True:
        with runtime.database.read() as session:
            old = session.scalars(sa.select(Firing.id).where(Firing.resolved_at < before).limit(AT_ONCE)).all()
        if not old:
            return
        with runtime.database.begin() as session:
            firing.delete(session, old)

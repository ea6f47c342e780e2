"""Erase a person from alerts and reports too: `[erased]` stands where a rule, what fired, a name or an answer named them.

A message that waits is made of its firing when it is sent, so it names nobody either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from quadra.alerts.reports.tables import Report, ReportMail
from quadra.alerts.tables import NAME_MOST, Alert, Channel, Delivery, Firing
from quadra.analytics import forgetting
from quadra.analytics.forgetting import Person, forget_in
from quadra.core.runtime import Runtime
from quadra.jobs.lease import Lease


def erase_person(runtime: Runtime, lease: Lease) -> None:
    """The job `erase`, whole."""
    forgetting.erase_person(runtime, lease, also=[forget_in_alerts])


def forget_in_alerts(runtime: Runtime, lease: Lease, project_id: int, ids: Sequence[str]) -> None:
    """Where messages go is not looked at: who is told is no visitor."""
    alerts = sa.select(Alert.id).where(Alert.project_id == project_id)
    firings = sa.select(Firing.id).where(Firing.alert_id.in_(alerts))
    reports = sa.select(Report.id).where(Report.project_id == project_id)
    for table, which in (
        (Alert, Alert.project_id == project_id),
        (Firing, Firing.alert_id.in_(alerts)),
        (Delivery, Delivery.firing_id.in_(firings)),
        (Channel, Channel.project_id == project_id),
        (Report, Report.project_id == project_id),
        (ReportMail, ReportMail.report_id.in_(reports)),
    ):
        forget_in(runtime, lease, ids, sa.select(table).where(which), table, KEPT[table])


def _in_alert(person: Person, alert: Alert) -> None:
    _in_name(person, alert)
    if (when := person.out_of(alert.when)) != alert.when:
        alert.when = when
        alert.changes += 1  # an evaluation that read the rule before has no effect
    alert.last_error = person.out_of_text(alert.last_error)


def _in_firing(person: Person, firing: Firing) -> None:
    firing.subject = person.out_of_text(firing.subject)
    # the message is about whom the figures name, be it by a bare number
    firing.message = person.out_of_text(firing.message, of_ids="user_id" in firing.figures)
    firing.figures = person.out_of(person.out_of_text(firing.figures))
    firing.page = person.out_of_text(firing.page)


def _in_report(person: Person, report: Report) -> None:
    _in_name(person, report)
    report.last_error = person.out_of_text(report.last_error)


def _in_name(person: Person, row: Alert | Channel | Report) -> None:
    row.name = person.out_of_text(row.name)[:NAME_MOST]


def _in_answer(person: Person, row: Delivery | ReportMail) -> None:
    row.answer = person.out_of_text(row.answer)


KEPT: Mapping[Any, Callable[[Person, Any], None]] = {
    Alert: _in_alert,
    Firing: _in_firing,
    Delivery: _in_answer,
    Channel: _in_name,
    Report: _in_report,
    ReportMail: _in_answer,
}

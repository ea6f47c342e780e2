"""The doors of alerts: made and changed by editors, read by viewers of the project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, check_installation, require_owned, require_project
from quadra.accounts.answers import Done
from quadra.accounts.noting import note
from quadra.accounts.params import OF_KEY, OF_PROJECT, OfProject
from quadra.accounts.projects import check_room
from quadra.accounts.tables import Project
from quadra.alerts import answers, firing
from quadra.alerts.answers import Id, When
from quadra.alerts.evaluating import EVERY
from quadra.alerts.kind_list import read_when
from quadra.alerts.tables import NAME_MOST, Alert, Channel, Delivery, Firing
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Invalid, NotFound
from quadra.core.web.http import runtime
from quadra.jobs.tables import rows_hit

doors = Doors("alerts", __name__)

ALERTS_MOST, CHANNELS_MOST = 1_000, 20
QUIET_MOST = 43_200
NAMED = {"alert_id": Param(name="alert_id", shape=Id, example="019be0c4-3c00-7000-8000-000000000001")}
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MOST, examples=["Nothing arrives"])]
Quiet = Annotated[int, within(0, QUIET_MOST, "After a firing, nobody is told of the same thing for so long.")]


class NewAlert(Struct, kw_only=True):
    name: Name
    when: When
    to: Annotated[tuple[str, ...], says("Ids of channels.", ["019be0c4-3c00-7000-8000-000000000001"])] = ()
    quiet_minutes: Quiet = 60
    project: Annotated[str | None, OF_KEY] = None


class ChangedAlert(Struct, kw_only=True):
    name: Annotated[str | None, says("Left out: as it was.")] = None
    when: When | None = None
    to: Annotated[tuple[str, ...] | None, says("Left out: as it was.")] = None
    quiet_minutes: Quiet | None = None


class Mute(Struct, kw_only=True):
    minutes: Annotated[int, within(0, QUIET_MOST, "For how long nobody is told; 0 ends it.")]


class Which(Struct, kw_only=True):
    limit: Annotated[int, within(1, 1_000, "How many, the newest first.")] = 50


@doors(
    "GET",
    "/api/alerts",
    title="List alerts",
    needs="viewer",
    asks=OF_PROJECT,
    answers=answers.Alerts,
    answer_says="The oldest first.",
    refuses=(404,),
)
def show_alerts(asked: OfProject) -> answers.Alerts:
    project = require_project(asked.project, "viewer")
    query = sa.select(Alert).where(Alert.project_id == project.id).order_by(Alert.id)
    with runtime().database.read() as session:
        rows = session.scalars(query).all()
        burning = _burning(session, rows)
        return answers.Alerts(alerts=[answers.alert_shown(row, project.slug, firing=row.id in burning) for row in rows])


@doors(
    "POST",
    "/api/alerts",
    title="Make an alert",
    needs="editor",
    asks=Params(NewAlert),
    answers=answers.Alert,
    answer_says="It is looked at within a minute.",
    status=201,
    refuses=(404, 409),
)
def add_alert(asked: NewAlert) -> answers.Alert:
    project = require_project(asked.project, "editor")
    _check(project, asked.name, asked.when)
    with runtime().database.begin() as session:
        check_room(session, Alert, project.id, ALERTS_MOST, "alerts")
        row = Alert(
            project_id=project.id,
            name=asked.name.strip(),
            when=asked.when,
            to=_channels(session, project, asked.to),
            quiet_minutes=asked.quiet_minutes,
            looked_at=clock.now() - 2 * EVERY,
            created_by=caller().actor[:300],
        )
        session.add(row)
        session.flush()
        _record(session, "created", row)
    return answers.alert_shown(row, project.slug, firing=False)


@doors(
    "PATCH",
    "/api/alerts/{alert_id}",
    title="Change an alert",
    says="With another condition, what fires by the old one is over.",
    needs="editor",
    named=NAMED,
    asks=Params(ChangedAlert),
    answers=answers.Alert,
    refuses=(404,),
)
def change_alert(asked: ChangedAlert, alert_id: str) -> answers.Alert:
    with runtime().database.begin() as session:
        row, project = require_owned(session, session.get(Alert, alert_id), "editor", "alert")
        _check(project, asked.name, asked.when)
        row.name = (asked.name or row.name).strip()
        row.quiet_minutes = row.quiet_minutes if asked.quiet_minutes is None else asked.quiet_minutes
        row.to = row.to if asked.to is None else _channels(session, project, asked.to)
        if asked.when is not None and asked.when != row.when:
            row.when, row.pending = asked.when, {}
            row.looked_at = clock.now() - 2 * EVERY
        row.changes += 1
        row.last_error = None
        _record(session, "changed", row)
        return answers.alert_shown(row, project.slug, firing=bool(_burning(session, [row])))


@doors(
    "DELETE",
    "/api/alerts/{alert_id}",
    title="Delete an alert",
    says="With its history. What it has not sent is not sent any more.",
    needs="editor",
    named=NAMED,
    answers=Done,
    refuses=(404,),
)
def remove_alert(alert_id: str) -> Done:
    with runtime().database.begin() as session:
        row, _project = require_owned(session, session.get(Alert, alert_id), "editor", "alert")
        # first, and it waits for an evaluation that is writing: no firing comes after those that are looked up here
        rows_hit(session, sa.update(Alert).where(Alert.id == row.id).values(changes=Alert.changes + 1, taken_by=None))
        firing.delete(session, session.scalars(sa.select(Firing.id).where(Firing.alert_id == row.id)).all())
        rows_hit(session, sa.delete(Alert).where(Alert.id == row.id))
        _record(session, "deleted", row)
    return Done(success=True)


@doors(
    "POST",
    "/api/alerts/{alert_id}/mute",
    title="Mute an alert",
    says="It goes on being looked at. What still fires when the time is over is told then.",
    needs="editor",
    named=NAMED,
    asks=Params(Mute),
    answers=answers.Alert,
    refuses=(404,),
)
def mute_alert(asked: Mute, alert_id: str) -> answers.Alert:
    with runtime().database.begin() as session:
        row, project = require_owned(session, session.get(Alert, alert_id), "editor", "alert")
        row.muted_until = clock.now() + timedelta(minutes=asked.minutes) if asked.minutes else None
        row.changes += 1
        _record(session, "muted", row, {"minutes": asked.minutes})
        return answers.alert_shown(row, project.slug, firing=bool(_burning(session, [row])))


@doors(
    "GET",
    "/api/alerts/{alert_id}/firings",
    title="What an alert found",
    needs="viewer",
    named=NAMED,
    asks=Params(Which),
    answers=answers.Firings,
    answer_says="With the messages that went out.",
    refuses=(404,),
)
def show_firings(asked: Which, alert_id: str) -> answers.Firings:
    here = runtime()
    with here.database.read() as session:
        row, _project = require_owned(session, session.get(Alert, alert_id), "viewer", "alert")
        newest = sa.select(Firing).where(Firing.alert_id == row.id).order_by(Firing.at.desc(), Firing.id.desc())
        rows = session.scalars(newest.limit(asked.limit)).all()
        sent = sa.select(Delivery).where(Delivery.firing_id.in_([one.id for one in rows])).order_by(Delivery.id)
        messages: dict[str, list[Delivery]] = {}
        for one in session.scalars(sent):
            messages.setdefault(one.firing_id, []).append(one)
        return answers.Firings(firings=[answers.firing_shown(one, here.settings, messages) for one in rows])


def _check(project: Project, name: str | None, when: dict[str, Any] | None) -> None:
    if name is not None and (not name.strip() or len(name) > NAME_MOST or not name.isprintable()):
        raise Invalid("The alert cannot be kept.", fields={"name": f"1 to {NAME_MOST} printable characters"})
    if when is None:
        return
    kind, _ = read_when(when, project)
    if kind.installation:
        check_installation(caller())


def _channels(session: Session, project: Project, ids: Sequence[str]) -> list[str]:
    """Raises `Invalid` for what is no channel of the project."""
    if len(ids) > CHANNELS_MOST:
        raise Invalid("There are too many channels.", fields={"to": f"at most {CHANNELS_MOST} ids of channels"})
    mine = sa.select(Channel.id).where(Channel.project_id == project.id, Channel.id.in_([one[:36] for one in ids]))
    unknown = [one for one in ids if one not in set(session.scalars(mine))]
    if unknown:
        raise NotFound(f"There is no channel {unknown[0][:36]!r} in this project.")
    return list(ids)


def _burning(session: Session, rows: Sequence[Alert]) -> set[str]:
    query = sa.select(Firing.alert_id).where(
        Firing.alert_id.in_([row.id for row in rows]), Firing.resolved_at.is_(None)
    )
    return set(session.scalars(query))


def _record(session: Session, deed: str, row: Alert, details: dict[str, object] | None = None) -> None:
    note(
        session,
        f"alerts.alert.{deed}",
        subject=row.id,
        project_id=row.project_id,
        details={"name": row.name, **(details or {})},
    )

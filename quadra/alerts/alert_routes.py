"""The doors of alerts: made and changed by editors, read by viewers of the project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, check_installation
from quadra.accounts.params import OfProject
from quadra.accounts.project_rows import ProjectRows
from quadra.accounts.tables import Project
from quadra.alerts import answers, firing
from quadra.alerts.answers import When
from quadra.alerts.evaluating import EVERY
from quadra.alerts.kind_list import BY_NAME, read_when
from quadra.alerts.tables import NAME_MOST, Alert, Channel, Delivery, Firing
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Invalid, NotFound
from quadra.core.web.http import runtime
from quadra.jobs.tables import rows_hit

doors = Doors("alerts", __name__)

CHANNELS_MOST = 20
QUIET_MOST = 43_200
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MOST, examples=["Nothing arrives"])]
Quiet = Annotated[int, within(0, QUIET_MOST, "After a firing, nobody is told of the same thing for so long.")]


class NewAlert(OfProject, kw_only=True):
    name: Name
    when: When
    to: Annotated[tuple[str, ...], says("Ids of channels.", ["019be0c4-3c00-7000-8000-000000000001"])] = ()
    quiet_minutes: Quiet = 60


class ChangedAlert(Struct, kw_only=True):
    name: Annotated[str | None, says("Left out: as it was.")] = None
    when: When | None = None
    to: Annotated[tuple[str, ...] | None, says("Left out: as it was.")] = None
    quiet_minutes: Quiet | None = None


class Mute(Struct, kw_only=True):
    minutes: Annotated[int, within(0, QUIET_MOST, "For how long nobody is told; 0 ends it.")]


class Which(Struct, kw_only=True):
    limit: Annotated[int, within(1, 1_000, "How many, the newest first.")] = 50


def _make(session: Session, asked: NewAlert, project: Project) -> Alert:
    _check(project, asked.name, asked.when)
    return Alert(
        project_id=project.id,
        name=asked.name.strip(),
        when=asked.when,
        to=_channels(session, project, asked.to),
        quiet_minutes=asked.quiet_minutes,
        looked_at=clock.now() - 2 * EVERY,
        created_by=caller().actor[:300],
    )


def _change(session: Session, asked: ChangedAlert, row: Alert, project: Project) -> None:
    _check(project, asked.name, asked.when)
    row.name = (asked.name or row.name).strip()
    row.quiet_minutes = row.quiet_minutes if asked.quiet_minutes is None else asked.quiet_minutes
    row.to = row.to if asked.to is None else _channels(session, project, asked.to)
    if asked.when is not None and asked.when != row.when:
        row.when, row.pending = asked.when, {}
        row.looked_at = clock.now() - 2 * EVERY
    row.changes += 1
    row.last_error = None


def _delete(session: Session, row: Alert) -> None:
    # first, and it waits for an evaluation that is writing: no firing comes after those that are looked up here
    rows_hit(session, sa.update(Alert).where(Alert.id == row.id).values(changes=Alert.changes + 1, taken_by=None))
    firing.delete(session, session.scalars(sa.select(Firing.id).where(Firing.alert_id == row.id)).all())
    rows_hit(session, sa.delete(Alert).where(Alert.id == row.id))


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


def _seen(row: Alert) -> bool:
    """What is told of the whole installation is not for who is bound to the project."""
    return caller().sees_installation or not BY_NAME[row.when["kind"]].installation


ROWS = ProjectRows(
    doors,
    Alert,
    "/api/alerts",
    "alert",
    answers=answers.Alert,
    shown=answers.alerts_shown,
    action="alerts.alert",
    most=1_000,
    seen=_seen,
)
ROWS.lists(answers.Alerts)
ROWS.makes(Params(NewAlert), _make, answer_says="It is looked at within a minute.")
ROWS.changes(Params(ChangedAlert), _change, says="With another condition, what fires by the old one is over.")
ROWS.deletes(_delete, says="With its history. What it has not sent is not sent any more.")


@doors(
    "POST",
    "/api/alerts/{alert_id}/mute",
    title="Mute an alert",
    says="It goes on being looked at. What still fires when the time is over is told then.",
    needs="editor",
    named=ROWS.named,
    asks=Params(Mute),
    answers=answers.Alert,
    refuses=(404,),
)
def mute_alert(asked: Mute, alert_id: str) -> answers.Alert:
    with ROWS.editing(alert_id, "muted", minutes=asked.minutes) as (session, row, project):
        row.muted_until = clock.now() + timedelta(minutes=asked.minutes) if asked.minutes else None
        row.changes += 1
        return answers.alerts_shown(session, [row], project)[0]


@doors(
    "GET",
    "/api/alerts/{alert_id}/firings",
    title="What an alert found",
    needs="viewer",
    named=ROWS.named,
    asks=Params(Which),
    answers=answers.Firings,
    answer_says="With the messages that went out.",
    refuses=(404,),
)
def show_firings(asked: Which, alert_id: str) -> answers.Firings:
    here = runtime()
    with here.database.read() as session:
        row, _project = ROWS.get(session, alert_id, "viewer")
        newest = sa.select(Firing).where(Firing.alert_id == row.id).order_by(Firing.at.desc(), Firing.id.desc())
        rows = session.scalars(newest.limit(asked.limit)).all()
        sent = sa.select(Delivery).where(Delivery.firing_id.in_([one.id for one in rows])).order_by(Delivery.id)
        messages: dict[str, list[Delivery]] = {}
        for one in session.scalars(sent):
            messages.setdefault(one.firing_id, []).append(one)
        return answers.Firings(firings=[answers.firing_shown(one, here.settings, messages) for one in rows])

"""The doors of channels. Editors of a project make them; nobody is shown a secret again."""

from __future__ import annotations

import secrets
import time
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller
from quadra.accounts.params import OfProject
from quadra.accounts.project_rows import ProjectRows, each
from quadra.accounts.tables import Project
from quadra.alerts import answers, firing
from quadra.alerts.reports.tables import Report, ReportMail
from quadra.alerts.sender import ChannelKind, Message
from quadra.alerts.sender_list import SENDERS
from quadra.alerts.tables import NAME_MOST, TARGET_MOST, Alert, Channel, Delivery
from quadra.alerts.targets import Refused
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.params import Params, says
from quadra.core.errors import Conflict, Invalid
from quadra.core.ids import uuid7
from quadra.core.web.http import runtime
from quadra.jobs.tables import rows_hit

doors = Doors("channels", __name__)

Name = Annotated[str, Meta(max_length=NAME_MOST, examples=["Operations"])]
Target = Annotated[
    str,
    Meta(description="An e-mail address, or an https address.", max_length=TARGET_MOST, examples=["ops@example.com"]),
]
Secret = Annotated[
    str,
    Meta(
        description="Signs the messages of a webhook (`X-Quadra-Signature`). Never shown again. Left out: one is made.",
        max_length=200,
        extra_json_schema={"format": "password"},
    ),
]


class NewChannel(OfProject, kw_only=True):
    kind: ChannelKind
    target: Target
    name: Annotated[str | None, says("Left out: the target.")] = None
    secret: Secret | None = None


class ChangedChannel(Struct, kw_only=True):
    target: Annotated[str | None, says("Left out: as it was.")] = None
    name: Annotated[str | None, says("Left out: as it was.")] = None
    secret: Secret | None = None


def _make(_session: Session, asked: NewChannel, project: Project) -> Channel:
    sender = SENDERS[asked.kind]
    target = asked.target.strip()
    sender.check(target, runtime().settings)
    _check(target, asked.name, asked.secret)
    return Channel(
        project_id=project.id,
        kind=asked.kind,
        name=(asked.name or target)[:NAME_MOST],
        target=target,
        secret=(asked.secret or f"whs_{secrets.token_urlsafe(32)}") if sender.signs else None,
        created_by=caller().actor[:300],
    )


def _change(_session: Session, asked: ChangedChannel, row: Channel, _project: Project) -> None:
    sender = SENDERS[row.kind]
    if asked.target is not None:
        sender.check(asked.target.strip(), runtime().settings)
    _check(asked.target, asked.name, asked.secret)
    row.target = asked.target.strip() if asked.target is not None else row.target
    row.name = asked.name or row.name
    row.secret = (asked.secret or row.secret) if sender.signs else None


def _delete(session: Session, row: Channel) -> None:
    """Raises `Conflict`."""
    told: list[Alert | Report] = [
        *session.scalars(sa.select(Alert).where(Alert.project_id == row.project_id)),
        *session.scalars(sa.select(Report).where(Report.project_id == row.project_id)),
    ]
    users = [one.name for one in told if row.id in one.to]
    if users:
        raise Conflict("These alerts and reports name it: " + ", ".join(users[:10]) + ". Change them first.")
    firing.cancel(session, Delivery, Delivery.channel_id == row.id)
    firing.cancel(session, ReportMail, ReportMail.channel_id == row.id)
    rows_hit(session, sa.delete(Channel).where(Channel.id == row.id))


def _check(target: str | None, name: str | None, secret: str | None) -> None:
    wrong = {}
    if target is not None and len(target) > TARGET_MOST:
        wrong["target"] = f"at most {TARGET_MOST} characters"
    if name is not None and (len(name) > NAME_MOST or not name.isprintable()):
        wrong["name"] = f"1 to {NAME_MOST} printable characters"
    if secret is not None and not 1 <= len(secret) <= 200:
        wrong["secret"] = "1 to 200 characters"
    if wrong:
        raise Invalid("The channel cannot be kept like this.", fields=wrong)


ROWS = ProjectRows(
    doors,
    Channel,
    "/api/channels",
    "channel",
    answers=answers.Channel,
    shown=each(answers.channel_shown),
    action="alerts.channel",
    most=100,
    noted=("kind", "name"),
)
ROWS.lists(answers.Channels, answer_says="The oldest first; never their secrets.")
ROWS.makes(Params(NewChannel), _make, answers=answers.MadeChannel, shown=each(answers.made_channel_shown))
ROWS.changes(Params(ChangedChannel), _change)
ROWS.deletes(_delete, says="409 while an alert or a report names it.", refuses=(404, 409))


@doors(
    "POST",
    "/api/channels/{channel_id}/test",
    title="Send a test message",
    says="At once, and once.",
    needs="editor",
    named=ROWS.named,
    answers=answers.Tested,
    answer_says="What the other side answered, good or bad.",
    refuses=(404,),
)
def test_channel(channel_id: str) -> answers.Tested:
    with ROWS.editing(channel_id, "tested") as (_session, row, project):
        pass  # noted first: whatever the other side does
    settings, began = runtime().settings, time.perf_counter()
    message = Message(
        id=uuid7(),
        alert="Test message",
        project=project.slug,
        state="test",
        subject="",
        text=f"This is a test of the channel {row.name}. Nothing is wrong.",
        value=None,
        threshold=None,
        at=clock.now(),
        url=settings.public_url,
    )
    try:
        said, ok = SENDERS[row.kind].send(settings, row.target, row.secret, message), True
    except Refused as error:
        said, ok = error.message, False
    return answers.Tested(ok=ok, answer=said, seconds=round(time.perf_counter() - began, 3))

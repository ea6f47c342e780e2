"""The doors of channels. Editors of a project make them; nobody is shown a secret again."""

from __future__ import annotations

import secrets
import time
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require_owned, require_project
from quadra.accounts.answers import Done
from quadra.accounts.noting import note
from quadra.accounts.params import OF_KEY, OF_PROJECT, OfProject
from quadra.accounts.projects import check_room
from quadra.alerts import answers, firing
from quadra.alerts.answers import Id
from quadra.alerts.reports.tables import Report, ReportMail
from quadra.alerts.sender import ChannelKind, Message
from quadra.alerts.sender_list import SENDERS
from quadra.alerts.tables import NAME_MOST, TARGET_MOST, Alert, Channel, Delivery
from quadra.alerts.targets import Refused
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says
from quadra.core.errors import Conflict, Invalid
from quadra.core.ids import uuid7
from quadra.core.web.http import runtime
from quadra.jobs.tables import rows_hit

doors = Doors("channels", __name__)

CHANNELS_MOST = 100
NAMED = {"channel_id": Param(name="channel_id", shape=Id, example="019be0c4-3c00-7000-8000-000000000001")}
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


class NewChannel(Struct, kw_only=True):
    kind: ChannelKind
    target: Target
    name: Annotated[str | None, says("Left out: the target.")] = None
    secret: Secret | None = None
    project: Annotated[str | None, OF_KEY] = None


class ChangedChannel(Struct, kw_only=True):
    target: Annotated[str | None, says("Left out: as it was.")] = None
    name: Annotated[str | None, says("Left out: as it was.")] = None
    secret: Secret | None = None


@doors(
    "GET",
    "/api/channels",
    title="List channels",
    needs="viewer",
    asks=OF_PROJECT,
    answers=answers.Channels,
    answer_says="The oldest first; never their secrets.",
    refuses=(404,),
)
def show_channels(asked: OfProject) -> answers.Channels:
    project = require_project(asked.project, "viewer")
    query = sa.select(Channel).where(Channel.project_id == project.id).order_by(Channel.id)
    with runtime().database.read() as session:
        return answers.Channels(channels=[answers.channel_shown(row, project.slug) for row in session.scalars(query)])


@doors(
    "POST",
    "/api/channels",
    title="Make a channel",
    needs="editor",
    asks=Params(NewChannel),
    answers=answers.MadeChannel,
    answer_says="It is made.",
    status=201,
    refuses=(404, 409),
)
def add_channel(asked: NewChannel) -> answers.MadeChannel:
    project, settings = require_project(asked.project, "editor"), runtime().settings
    sender = SENDERS[asked.kind]
    target = asked.target.strip()
    sender.check(target, settings)
    _check(target, asked.name, asked.secret)
    secret = (asked.secret or f"whs_{secrets.token_urlsafe(32)}") if sender.signs else None
    with runtime().database.begin() as session:
        check_room(session, Channel, project.id, CHANNELS_MOST, "channels")
        row = Channel(
            project_id=project.id,
            kind=asked.kind,
            name=(asked.name or target)[:NAME_MOST],
            target=target,
            secret=secret,
            created_by=caller().actor[:300],
        )
        session.add(row)
        session.flush()
        _record(session, "created", row)
    return answers.MadeChannel(**answers.channel_fields(row, project.slug), secret=secret)


@doors(
    "PATCH",
    "/api/channels/{channel_id}",
    title="Change a channel",
    needs="editor",
    named=NAMED,
    asks=Params(ChangedChannel),
    answers=answers.Channel,
    refuses=(404,),
)
def change_channel(asked: ChangedChannel, channel_id: str) -> answers.Channel:
    with runtime().database.begin() as session:
        row, project = require_owned(session, session.get(Channel, channel_id), "editor", "channel")
        sender = SENDERS[row.kind]
        if asked.target is not None:
            sender.check(asked.target.strip(), runtime().settings)
        _check(asked.target, asked.name, asked.secret)
        row.target = asked.target.strip() if asked.target is not None else row.target
        row.name = asked.name or row.name
        row.secret = (asked.secret or row.secret) if sender.signs else None
        _record(session, "changed", row)
        return answers.channel_shown(row, project.slug)


@doors(
    "DELETE",
    "/api/channels/{channel_id}",
    title="Delete a channel",
    says="409 while an alert or a report names it.",
    needs="editor",
    named=NAMED,
    answers=Done,
    refuses=(404, 409),
)
def remove_channel(channel_id: str) -> Done:
    with runtime().database.begin() as session:
        row, _project = require_owned(session, session.get(Channel, channel_id), "editor", "channel")
        told: list[Alert | Report] = [
            *session.scalars(sa.select(Alert).where(Alert.project_id == row.project_id)),
            *session.scalars(sa.select(Report).where(Report.project_id == row.project_id)),
        ]
        users = [each.name for each in told if row.id in each.to]
        if users:
            raise Conflict("These alerts and reports name it: " + ", ".join(users[:10]) + ". Change them first.")
        firing.cancel(session, Delivery, Delivery.channel_id == row.id)
        firing.cancel(session, ReportMail, ReportMail.channel_id == row.id)
        rows_hit(session, sa.delete(Channel).where(Channel.id == row.id))
        _record(session, "deleted", row)
    return Done(success=True)


@doors(
    "POST",
    "/api/channels/{channel_id}/test",
    title="Send a test message",
    says="At once, and once.",
    needs="editor",
    named=NAMED,
    answers=answers.Tested,
    answer_says="What the other side answered, good or bad.",
    refuses=(404,),
)
def test_channel(channel_id: str) -> answers.Tested:
    with runtime().database.begin() as session:
        row, project = require_owned(session, session.get(Channel, channel_id), "editor", "channel")
        _record(session, "tested", row)
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


def _record(session: Session, deed: str, row: Channel) -> None:
    note(
        session,
        f"alerts.channel.{deed}",
        subject=row.id,
        project_id=row.project_id,
        details={"kind": row.kind, "name": row.name},
    )

"""What the doors of channels and alerts answer, and how it is made of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from msgspec import Meta, Struct, structs
from sqlalchemy.orm import Session

from quadra.accounts.answers import Slug
from quadra.accounts.tables import Project
from quadra.alerts import tables
from quadra.alerts.sender import ChannelKind
from quadra.alerts.tables import FiringState
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.settings import Settings

Id = Annotated[str, Meta(examples=["019be0c4-3c00-7000-8000-000000000001"])]
When = Annotated[
    dict[str, Any],
    Meta(
        description="The condition: `kind`, and what that kind takes.",
        examples=[{"kind": "no_events", "minutes": 30}],
    ),
]


class Channel(Struct, kw_only=True):
    id: Id
    project: Slug
    kind: ChannelKind
    name: Annotated[str, Meta(examples=["Operations"])]
    target: Annotated[str, Meta(examples=["ops@example.com"])]
    has_secret: bool
    created_at: Time
    created_by: Annotated[str, Meta(examples=["user:ada@example.com"])]


class MadeChannel(Channel, kw_only=True):
    secret: Annotated[str | None, Meta(description="What signs its messages. It is shown only now.")] = None


class Channels(Struct, kw_only=True):
    channels: list[Channel]


class Tested(Struct, kw_only=True):
    ok: bool
    answer: Annotated[str, Meta(description="What the other side said.", examples=["200 ok"])]
    seconds: float


class Alert(Struct, kw_only=True):
    id: Id
    project: Slug
    name: Annotated[str, Meta(examples=["Nothing arrives"])]
    when: When
    to: Annotated[list[str], Meta(examples=[["019be0c4-3c00-7000-8000-000000000001"]])]
    quiet_minutes: int
    muted_until: Time | None
    state: Literal["ok", "firing", "failing"]
    """`failing`: it cannot be evaluated, and `last_error` says why."""
    last_error: str | None
    looked_at: Time | None
    created_at: Time
    created_by: Annotated[str, Meta(examples=["user:ada@example.com"])]


class Alerts(Struct, kw_only=True):
    alerts: list[Alert]


class SentMessage(Struct, kw_only=True):
    id: Id
    channel_id: Id
    state: FiringState
    status: Literal["pending", "delivered", "failed", "cancelled"]
    at: Time
    delivered_at: Time | None
    answer: str | None


class Firing(Struct, kw_only=True):
    id: Id
    state: FiringState
    subject: str
    value: float | None
    threshold: float | None
    message: Annotated[str, Meta(examples=["The last event arrived 31 min ago."])]
    figures: Annotated[dict[str, Any], Meta(examples=[{}])]
    at: Time
    resolved_at: Time | None
    url: str
    """The page that shows the figures."""
    deliveries: list[SentMessage]


class Firings(Struct, kw_only=True):
    firings: list[Firing]


def channel_shown(row: tables.Channel, project: Project) -> Channel:
    return Channel(
        id=row.id,
        project=project.slug,
        kind=row.kind,
        name=row.name,
        target=row.target,
        has_secret=row.secret is not None,
        created_at=clock.iso(row.created_at),
        created_by=row.created_by,
    )


def made_channel_shown(row: tables.Channel, project: Project) -> MadeChannel:
    return MadeChannel(**structs.asdict(channel_shown(row, project)), secret=row.secret)


def alerts_shown(session: Session, rows: Sequence[tables.Alert], project: Project) -> list[Alert]:
    open_firings = sa.select(tables.Firing.alert_id).where(tables.Firing.resolved_at.is_(None))
    burning = set(session.scalars(open_firings.where(tables.Firing.alert_id.in_([row.id for row in rows]))))
    return [
        Alert(
            id=row.id,
            project=project.slug,
            name=row.name,
            when=row.when,
            to=row.to,
            quiet_minutes=row.quiet_minutes,
            muted_until=clock.iso_or_none(row.muted_until),
            state="failing" if row.last_error else "firing" if row.id in burning else "ok",
            last_error=row.last_error,
            looked_at=clock.iso(row.looked_at) if row.taken_by else None,
            created_at=clock.iso(row.created_at),
            created_by=row.created_by,
        )
        for row in rows
    ]


def firing_shown(row: tables.Firing, settings: Settings, messages: Mapping[str, Sequence[tables.Delivery]]) -> Firing:
    return Firing(
        id=row.id,
        state="firing" if row.resolved_at is None else "resolved",
        subject=row.subject,
        value=row.value,
        threshold=row.threshold,
        message=row.message,
        figures=row.figures,
        at=clock.iso(row.at),
        resolved_at=clock.iso_or_none(row.resolved_at),
        url=settings.public_url.rstrip("/") + row.page,
        deliveries=[_message(one) for one in messages.get(row.id, ())],
    )


def _message(row: tables.Delivery) -> SentMessage:
    return SentMessage(
        id=row.id,
        channel_id=row.channel_id,
        state=row.state,
        status=row.status,  # type: ignore[arg-type]  # one of DELIVERY_STATES
        at=clock.iso(row.at),
        delivered_at=clock.iso_or_none(row.delivered_at),
        answer=row.answer,
    )

"""An anomaly of a signal as an insight of the analyst `field`: one, however long it goes on, with the minutes to draw.

Runs in the transaction that stores the minutes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.field.minutes import Going
from quadra.field.signal_store import at_minute
from quadra.field.signals import Signal
from quadra.field.tables import SignalMinute
from quadra.insights.metrics import insights_total
from quadra.insights.reading import timezone_of
from quadra.insights.scrub import scrub
from quadra.insights.tables import Insight
from quadra.insights.words import FORMS, clean

ANALYST = "field"
BEFORE = timedelta(minutes=60)
"""Minutes drawn before an anomaly began."""
POINTS = 180
"""Minutes drawn at the most; of more, the newest."""
FORM = {"percent": lambda value: FORMS["percent"](value / 100)}
"""Signals say per cent as 0 to 100."""


def tell(session: Session, project_id: int, signal: Signal, going: Going) -> None:
    """Write the insight of an anomaly, or bring it up to date."""
    insight = session.get(Insight, going.id)
    began = at_minute(going.since)
    if insight is None:
        insight = Insight(id=going.id, project_id=project_id, analyst=ANALYST, created_at=clock.now(), event_count=0)
        insights_total.labels(ANALYST).inc()
    points = _points(session, project_id, signal.name, began)
    events = _points(session, project_id, "events", began)
    title = clean(scrub(signal.title))
    when = began.astimezone(timezone_of(session, project_id))
    since = f"Since {when:%H:%M}, {going.minutes} minutes: " if going.minutes > 1 else ""
    minute, worst = going.worst
    usual = f"usual then is {_shown(signal, worst.low)} to {_shown(signal, worst.high)}"
    sentence = f"{title} {'rose' if going.up else 'fell'} to {_shown(signal, worst.value)}; {usual}."
    insight.summary = f"{since}{sentence}"
    insight.patterns = [sentence]
    insight.recommendations = [f"Look at what began at {when:%H:%M}: a release, a campaign, a failure of a service."]
    insight.confidence = round(going.score, 4)
    insight.window_from, insight.window_to = began, at_minute(going.last + 1)
    insight.event_count = int(sum(value or 0 for at, value, *_ in events if at >= clock.to_us(began) // 1000))
    insight.updated_at = clock.now()
    insight.evidence = {
        "subject": f"{signal.name} {'up' if going.up else 'down'}",
        "signal": signal.name,
        "title": title,
        "form": signal.form,
        "since": clock.iso(began),
        "until": clock.iso(at_minute(going.last + 1)),
        "minutes": going.minutes,
        "going_on": not going.ended,
        "at": clock.iso(at_minute(minute)),
        "value": worst.value,
        "low": worst.low,
        "high": worst.high,
        "score": going.score,
        "points": points,
    }
    session.add(insight)
    session.flush()


def _points(session: Session, project_id: int, name: str, began: datetime) -> list[list[Any]]:
    """[milliseconds since 1970, value, low, high] of each minute, the oldest first."""
    query = (
        sa.select(SignalMinute)
        .where(SignalMinute.project_id == project_id, SignalMinute.minute_at >= began - BEFORE)
        .order_by(SignalMinute.minute_at.desc())
        .limit(POINTS)
    )
    rows = reversed(session.scalars(query).all())
    return [[clock.to_us(row.minute_at) // 1000, *row.readings[name][:3]] for row in rows if name in row.readings]


def _shown(signal: Signal, value: float | None) -> str:
    return "nothing" if value is None else FORM.get(signal.form, FORMS[signal.form])(value)

"""A message to one channel, and what sends it. A new kind of channel is a file in `senders/` and its line in `sender_list.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import orjson

from quadra.core import clock
from quadra.core.settings import Settings

ChannelKind = Literal["email", "webhook", "slack"]
LATE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one channel is told."""

    id: str
    """The delivery's: the same at each attempt, so that the other side knows a repeat."""
    alert: str
    project: str
    state: str
    """`firing`, `resolved` or `test`."""
    subject: str
    text: str
    value: float | None
    threshold: float | None
    at: datetime
    url: str
    """The page that shows the figures; empty where PUBLIC_URL is not set."""
    late: bool = False
    """Whether it goes out long after `at`."""

    @property
    def title(self) -> str:
        what = {"firing": "Alert", "resolved": "Resolved"}.get(self.state, "Test")
        return f"{what}: {self.alert} ({self.project})"

    @property
    def note(self) -> str:
        return f"Sent late: this was at {clock.iso(self.at)}." if self.late else ""

    def body(self) -> bytes:
        """As webhooks get it."""
        return orjson.dumps(
            {
                "alert": self.alert,
                "project": self.project,
                "state": self.state,
                "value": self.value,
                "threshold": self.threshold,
                "at": clock.iso(self.at),
                "url": self.url,
                "subject": self.subject,
                "message": self.text,
                "late": self.late,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Sender:
    kind: ChannelKind
    check: Callable[[str, Settings], None]
    """Raises `Invalid` for a target that can never be reached, naming the field `target`."""
    send: Callable[[Settings, str, str | None, Message], str]
    """(settings, target, secret, message): what the other side said. Raises `targets.Refused` where it did not take it."""
    signs: bool = False
    """Whether messages are signed with the channel's secret."""
    breaker: Callable[[str], str] = lambda target: target
    """What fails together: the host of an address."""

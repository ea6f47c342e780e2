"""Every kind of channel. A new one is a file in `senders/` and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from quadra.alerts.sender import Sender
from quadra.alerts.senders import email, slack, webhook

SENDERS: Mapping[str, Sender] = {one.kind: one for one in (email.SENDER, webhook.SENDER, slack.SENDER)}

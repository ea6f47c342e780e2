"""Slack, and whatever takes messages as Slack's incoming webhooks do: Mattermost, Rocket.Chat, Discord with `/slack`."""

from __future__ import annotations

import orjson

from quadra.alerts.sender import Message, Sender
from quadra.alerts.senders.webhook import check, host_of
from quadra.alerts.targets import Refused, post
from quadra.core.settings import Settings

SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack reads as marks, such as `<!channel>`."""


def send(settings: Settings, target: str, _secret: str | None, message: Message) -> str:
    lines = [f"*{message.title.translate(SPECIAL)}*", message.text.translate(SPECIAL), message.note]
    if message.url:
        lines.append(f"<{message.url}|Show the figures>")
    body = orjson.dumps({"text": "\n".join(line for line in lines if line)})
    headers = {"Content-Type": "application/json", "X-Quadra-Delivery": message.id}
    answered = post(target, body, headers, settings)
    said = f"{answered.status} {answered.text}".strip()
    if not answered.taken:
        raise Refused(f"The other side answered {said}")
    return said


SENDER = Sender(kind="slack", check=check, send=send, breaker=host_of)

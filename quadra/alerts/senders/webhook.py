"""A signed POST: the other side proves by the signature that it came from here, and knows repeats by the delivery's id."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from quadra.alerts.sender import Message, Sender
from quadra.alerts.targets import Refused, check_url, post
from quadra.core.settings import Settings


def check(target: str, settings: Settings) -> None:
    check_url(target, settings)


def send(settings: Settings, target: str, secret: str | None, message: Message) -> str:
    body = message.body()
    headers = {"Content-Type": "application/json", "X-Quadra-Delivery": message.id}
    if secret:
        headers["X-Quadra-Signature"] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    answered = post(target, body, headers, settings)
    said = f"{answered.status} {answered.text}".strip()
    if not answered.taken:
        raise Refused(f"The other side answered {said}")
    return said


def host_of(target: str) -> str:
    return urlsplit(target).netloc.lower()


SENDER = Sender(kind="webhook", check=check, send=send, signs=True, breaker=host_of)

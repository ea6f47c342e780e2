"""Mail over the server of SMTP_URL."""

from __future__ import annotations

import re

from quadra.alerts import mail
from quadra.alerts.sender import Message, Sender
from quadra.core.errors import Invalid
from quadra.core.settings import Settings

ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def check(target: str, settings: Settings) -> None:
    if not ADDRESS.fullmatch(target) or not target.isprintable():
        raise Invalid("This is no address.", fields={"target": "one e-mail address, such as ops@example.com"})
    if not settings.smtp_url:
        raise Invalid("No mail can be sent yet.", fields={"kind": "set SMTP_URL and MAIL_FROM first, then restart"})


def send(settings: Settings, target: str, _secret: str | None, message: Message) -> str:
    lines = [message.text, message.note, message.url, f"Project {message.project}, alert {message.alert}."]
    text = "\n\n".join(line for line in lines if line)
    return mail.send(settings, mail.Mail(id=message.id, to=target, subject=message.title, text=text))


SENDER = Sender(kind="email", check=check, send=send, breaker=lambda _target: "mail")

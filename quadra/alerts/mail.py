"""One mail over SMTP: `smtp://` with STARTTLS where the server offers it, `smtps://` with TLS from the first byte."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit

from quadra.alerts.targets import Refused
from quadra.core.settings import Settings

SECONDS = 20
PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, kw_only=True)
class Mail:
    id: str
    """Becomes its Message-ID: mail programs show a repeat once."""
    to: str
    subject: str
    text: str
    html: str | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)
    """PNG pictures that the HTML shows, by content id."""
    headers: Mapping[str, str] = field(default_factory=dict)


def send(settings: Settings, mail: Mail) -> str:
    """What the server said. Raises `Refused`."""
    parts = urlsplit(settings.smtp_url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 25)
    try:
        with _connected(parts.scheme, host, port) as server:
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            message = _message(settings, mail)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Refused(f"The mail server {host}:{port} did not take it: {error}") from error
    return f"{host}:{port} took it for {mail.to}"


def _connected(scheme: str, host: str, port: int) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=ssl.create_default_context())
        server.ehlo()
    return server


def _message(settings: Settings, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(mail.subject.split())[:200]
    message["From"] = settings.mail_from
    message["To"] = mail.to
    message["Date"] = formatdate(usegmt=True)
    domain = parseaddr(settings.mail_from)[1].partition("@")[2] or "quadra"
    message["Message-ID"] = f"<{mail.id}@{domain}>"
    message["X-Quadra-Delivery"] = mail.id
    message["Auto-Submitted"] = "auto-generated"
    for name, value in mail.headers.items():
        message[name] = value
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
        html: Any = message.get_payload(1)
        for cid, picture in mail.images.items():
            html.add_related(
                picture, "image", "png", cid=f"<{cid}>", filename=f"{cid.partition('@')[0]}.png", disposition="inline"
            )
    return message

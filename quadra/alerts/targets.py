"""Send to an address that a user typed, and never into our own network by it (`core/outgoing.py`). Redirects are not followed,
and no more than a few kilobytes of an answer are read.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from quadra.core import outgoing
from quadra.core.errors import Invalid
from quadra.core.settings import Settings
from quadra.jobs.errors import Transient

SECONDS = 10
ANSWER_MOST = 4_096
SCHEMES = {"http": 80, "https": 443}


class Refused(Transient):
    """The other side could not be reached, or did not take it."""

    code = "target_refused"


@dataclass(frozen=True)
class Answered:
    status: int
    text: str

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


def allows_private(settings: Settings) -> bool:
    return settings.alerts_allow_private or settings.environment == "development"


def check_url(url: str, settings: Settings) -> SplitResult:
    """Raises `Invalid`: no http address, or one in a network that is not to be reached."""
    try:
        parts = urlsplit(url)
        port = parts.port or SCHEMES.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in SCHEMES or not parts.hostname or not port or not url.isprintable() or " " in url:
        raise Invalid("This is no address.", fields={"target": "an address such as https://example.com/hook"})
    if parts.username is not None or parts.password is not None:
        raise Invalid("This is no address.", fields={"target": "without a user or password in it"})
    if not allows_private(settings):
        for address in outgoing.written_addresses(parts.hostname):
            if not outgoing.is_public(address):
                raise Invalid("This address may not be used.", fields={"target": outgoing.private(address)})
    return parts


def post(url: str, body: bytes, headers: Mapping[str, str], settings: Settings) -> Answered:
    """Raises `Refused` where nobody answers, and where the address may not be used."""
    try:
        parts = check_url(url, settings)
    except Invalid as error:
        raise Refused(next(iter((error.fields or {}).values()), error.message)) from error
    port = parts.port or SCHEMES[parts.scheme]
    host = parts.hostname or ""
    try:
        address = outgoing.resolve(host, port, allow_private=allows_private(settings))
        connection = outgoing.connection(parts.scheme, host, port, address, SECONDS)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"User-Agent": "Quadra", **headers})
            answer = connection.getresponse()
            text = answer.read(ANSWER_MOST).decode("utf-8", "replace")
        finally:
            connection.close()
    except outgoing.Private as error:
        raise Refused(error.message) from error
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"{host} cannot be reached: {error}") from error
    return Answered(answer.status, text)

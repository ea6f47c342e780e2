"""Ask an OpenID issuer over HTTP, within bounds: ten seconds in all, a megabyte, no redirects, and into our own network only
where the operator named that very host. Few requests at a time: strangers cause them, and each holds a thread.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.auth import ClientAuth

from quadra.core import outgoing
from quadra.core.errors import Unavailable
from quadra.core.settings import Settings

SECONDS = 10.0
MOST = 2**20
PIECE = 16 * 1024
AT_ONCE = 4
PORTS = {"http": 80, "https": 443}
slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Answer:
    """As much of a response as Authlib's client looks at."""

    status_code: int
    body: bytes

    def json(self) -> Any:
        """Raises `ValueError`."""
        return json.loads(self.body)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise Unavailable(f"The sign-in service answered with status {self.status_code}.")


class Issuer:
    """What Authlib takes for an HTTP session, and only `post` and `get` of it."""

    def __init__(self, settings: Settings):
        self._own_host = urlsplit(settings.oidc_issuer).hostname
        self._lenient = settings.alerts_allow_private or settings.environment == "development"

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises `Unavailable`."""
        return self._ask("GET", url, {"Accept": "application/json", **(headers or {})}, None)

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth) -> Answer:
        """Raises `Unavailable`."""
        url, signed, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._ask("POST", url, signed, body)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Answer:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in PORTS or not host or parts.username is not None:
            raise Unavailable(f"The sign-in service names an address that cannot be used: {url[:200]}")
        if parts.scheme == "http" and not self._lenient:
            raise Unavailable(f"The sign-in service must be asked over https, not {parts.scheme}://{host}.")
        if not slots.acquire(blocking=False):
            raise Unavailable("Many people sign in just now. Try again in a few seconds.", retry_after_seconds=5)
        try:
            port = parts.port or PORTS[parts.scheme]
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            return self._read(parts.scheme, host, port, method, path, headers, body)
        except outgoing.Private as error:
            raise Unavailable(f"The sign-in service leads to {host}: {error.message}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"The sign-in service {host} cannot be reached. Try again, or use a password.") from error
        finally:
            slots.release()

    def _read(
        self, scheme: str, host: str, port: int, method: str, path: str, headers: Mapping[str, str], body: str | None
    ) -> Answer:
        until = time.monotonic() + SECONDS
        address = outgoing.resolve(host, port, allow_private=self._lenient or host == self._own_host)
        connection = outgoing.connection(scheme, host, port, address, SECONDS)
        try:
            connection.request(method, path, body, {"User-Agent": "Quadra", **headers})
            answer = connection.getresponse()
            if 300 <= answer.status < 400:
                raise Unavailable("The sign-in service answered with a redirect, which is not followed.")
            pieces: list[bytes] = []
            # piece by piece: one that sends a byte now and then is no answer within any time
            while piece := answer.read1(PIECE):
                pieces.append(piece)
                if time.monotonic() > until or sum(map(len, pieces)) > MOST:
                    raise Unavailable("The sign-in service answered too slowly or with too much.")
        finally:
            connection.close()
        return Answer(answer.status, b"".join(pieces))

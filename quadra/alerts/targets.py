"""Send to an address that a user typed, and never into our own network by it.

The name is looked up once; what it leads to is checked, and the connection goes to exactly that address: a name that leads
elsewhere a moment later gains nothing. Redirects are not followed, and no more than a few kilobytes of an answer are read.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from quadra.core.errors import Invalid
from quadra.core.settings import Settings
from quadra.jobs.errors import Transient

SECONDS = 10
ANSWER_MOST = 4_096
NAT64 = IPv6Network("64:ff9b::/96")
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
        for address in _named(parts.hostname):
            if not _public(address):
                raise Invalid("This address may not be used.", fields={"target": _private(address)})
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
        connection = _connection(parts.scheme, host, port, _resolve(host, port, settings))
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"User-Agent": "Quadra", **headers})
            answer = connection.getresponse()
            text = answer.read(ANSWER_MOST).decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"{host} cannot be reached: {error}") from error
    return Answered(answer.status, text)


def _resolve(host: str, port: int, settings: Settings) -> str:
    """The address to connect to. Raises `Refused`, or `OSError` where the name leads nowhere."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if allows_private(settings) or _public(ip_address(address.partition("%")[0])):
            return address
    raise Refused(_private(ip_address(found[0].partition("%")[0])))


def _connection(scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
    """To `address`, speaking to `host`."""
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    plain = socket.create_connection((address, port), SECONDS)
    try:
        connection.sock = _tls().wrap_socket(plain, server_hostname=host) if scheme == "https" else plain
    except OSError:
        plain.close()
        raise
    return connection


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _named(host: str) -> list[IPv4Address | IPv6Address]:
    """The address that a host is, where it is written as one in whatever form; a name is looked up when it is used."""
    try:
        return [ip_address(host.partition("%")[0])]
    except ValueError:
        pass
    try:
        return [IPv4Address(socket.inet_aton(host))]  # 127.1, 0x7f000001, 2130706433
    except OSError:
        local = host.rstrip(".").lower()
        return [IPv4Address("127.0.0.1")] if local == "localhost" or local.endswith(".localhost") else []


def _public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return _public(inner)
        if address in NAT64:
            return _public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast


def _private(address: IPv4Address | IPv6Address) -> str:
    return f"{address} is in a private network; ALERTS_ALLOW_PRIVATE=true allows that"

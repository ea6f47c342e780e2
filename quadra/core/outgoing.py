"""Connect to an address that somebody else chose, and never into our own network by it.

The name is looked up once; what it leads to is checked, and the connection goes to exactly that address: a name that leads
elsewhere a moment later gains nothing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from quadra.core.errors import QuadraError

NAT64 = IPv6Network("64:ff9b::/96")
UNICAST = IPv6Network("2000::/3")
"""All that is given out for the Internet; what lies outside is used within networks, or has an IPv4 address inside."""


class Private(QuadraError):
    """The address is in a private network."""

    code = "private_network"


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The address to connect to. Raises `Private`, or `OSError` where the name leads nowhere."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if allow_private or is_public(ip_address(address.partition("%")[0])):
            return address
    raise Private(private(ip_address(found[0].partition("%")[0])))


def connection(scheme: str, host: str, port: int, address: str, seconds: float) -> http.client.HTTPConnection:
    """To `address`, speaking to `host`. No single read or write takes longer than `seconds`."""
    made = http.client.HTTPConnection(host, port, timeout=seconds)
    plain = socket.create_connection((address, port), seconds)
    try:
        made.sock = _tls().wrap_socket(plain, server_hostname=host) if scheme == "https" else plain
    except OSError:
        plain.close()
        raise
    return made


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def written_addresses(host: str) -> list[IPv4Address | IPv6Address]:
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


def is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if (
            address not in UNICAST
        ):  # ::127.0.0.1, ::ffff:0:127.0.0.1, 64:ff9b:1::/48, fec0::/10: Python calls them global
            return False
    return address.is_global and not address.is_multicast


def private(address: IPv4Address | IPv6Address) -> str:
    """Why it is not used."""
    return f"{address} is in a private network; ALERTS_ALLOW_PRIVATE=true allows that"

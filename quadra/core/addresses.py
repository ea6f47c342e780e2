"""From which address a request came. What a client says of itself counts only as far as trusted proxies wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from flask import has_request_context, request

from quadra.core.http import runtime

Networks = Iterable[IPv4Network | IPv6Network]

COUNTED_BITS = 56
"""What providers give to one household; many give it a /48, few only a /64."""


def client_address() -> str:
    """Who sent this request. `X-Forwarded-For` counts only as far as trusted proxies wrote it.

    Each proxy adds its peer on the right: from there, the first address that is not a trusted proxy is the client's.
    What stands further left is the client's own invention.
    """
    return client_of(request.environ, runtime().settings.trusted_proxies)


def client_of(environ: Mapping[str, Any], trusted: Networks) -> str:
    """The same of a request that Flask does not see."""
    found = environ.get("REMOTE_ADDR") or ""
    if not is_among(found, trusted):
        return found
    for word in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = _parse(word)
        if address is None:
            break
        found = str(address)
        if not is_among(found, trusted):
            break
    return found


def from_trusted_peer() -> bool:
    """Whether the `X-Forwarded-…` headers of this request were written by a trusted proxy."""
    return is_among(request.remote_addr or "", runtime().settings.trusted_proxies)


def over_tls() -> bool:
    """Whether the browser came by https, or ought to have."""
    if not has_request_context():
        return False
    if request.is_secure or runtime().settings.public_url.startswith("https://"):
        return True
    return from_trusted_peer() and request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip() == "https"


def client_network() -> str:
    """The address to count the current request by."""
    return network_of(client_address())


def network_of(written: str) -> str:
    """The address to count by. A customer with IPv6 has a /56 to choose addresses from, so the /56 is counted."""
    address = _parse(written)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, COUNTED_BITS), strict=False))
    return str(address or "unknown")


def is_among(address: str, networks: Networks) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parse(word: str) -> IPv4Address | IPv6Address | None:
    """An address, also with a port as some proxies write it. `::ffff:192.0.2.1` is 192.0.2.1."""
    word = word.strip()
    if word.startswith("["):
        word = word[1:].partition("]")[0]
    elif word.count(":") == 1:
        word = word.partition(":")[0]
    try:
        address = ip_address(word)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

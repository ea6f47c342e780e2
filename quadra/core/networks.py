"""Addresses as text, the networks that they belong to, and a free port."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Networks = Iterable[IPv4Network | IPv6Network]
COUNTED_BITS = 56
"""What providers give to one household; many give it a /48, few only a /64."""


def network_of(written: str) -> str:
    """The address to count by. A customer with IPv6 has a /56 to choose addresses from, so the /56 is counted."""
    address = parse(written)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, COUNTED_BITS), strict=False))
    return str(address or "unknown")


def is_among(address: str, networks: Networks) -> bool:
    parsed = parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def parse(word: str) -> IPv4Address | IPv6Address | None:
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


def free_port() -> int:
    """Of this machine. Another process may take it first; then ours ends, and is started with another one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

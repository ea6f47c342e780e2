"""Network addresses in logs: one spelling for each, which of a list is the client's, and how none is kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

COVERED = "[address]"
LOCAL = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)
"""Where proxies live. Not `is_global`, which takes the addresses of examples for private ones as well."""

_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+[a-z](?:[a-z0-9-]{0,62})\.?|localhost", re.IGNORECASE)
_NOBODY = {"", "-", "unknown", "unix:", "_hidden", "_unknown"}
"""What proxies write where they do not know or do not say the address."""
_IN_TEXT = re.compile(
    r"(?<![\w.])(?:::ffff:)?\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|(?<![\w.:])(?:[0-9a-f]{0,4}(?::|%3a)){2,8}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4})?(?!\w)",
    re.IGNORECASE,
)


def address_of(text: str) -> str | None:
    """The one spelling of an address: no port, no brackets, no zone, IPv4 where it is mapped into IPv6, lower case."""
    text = text.strip().strip('"')
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def name_of(text: str) -> str | None:
    """A host's full name, as servers log clients whose address they looked up."""
    return text.rstrip(".").lower() if _NAME.fullmatch(text) else None


def listed(text: str) -> list[str] | None:
    """The addresses of a list such as `X-Forwarded-For`, in one spelling; None where it is no such list."""
    addresses = []
    for item in text.split(","):
        if item.strip() in _NOBODY:
            continue
        if (address := address_of(item)) is None:
            return None
        addresses.append(address)
    return addresses


def client_of(addresses: Iterable[str]) -> str:
    """Whose request it was: the first public address, from the client's side on; where all are local, the first."""
    found = list(addresses)
    return next((address for address in found if not is_local(address)), found[0] if found else "")


def is_local(address: str) -> bool:
    try:
        at = ip_address(address)
    except ValueError:
        return address == "localhost"
    return any(at in network for network in LOCAL)


def without(text: str, known: Collection[str] | None = None) -> str:
    """`text` with addresses covered, in whatever spelling: those that are `known`, or all of them."""
    if known is not None and not _may_hold(text, known):
        return text
    for name in known or ():
        if name_of(name) and name in text.lower():
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", COVERED, text, flags=re.IGNORECASE)

    def cover(found: re.Match[str]) -> str:
        address = address_of(re.sub("%3a", ":", found[0], flags=re.IGNORECASE))
        return COVERED if address is not None and (known is None or address in known) else found[0]

    return _IN_TEXT.sub(cover, text)


def _may_hold(text: str, known: Collection[str]) -> bool:
    """A look that costs less than the search: an address of IPv6 has many spellings, all of them with colons."""
    low = text.lower()
    return bool(known) and (any(address in low for address in known) or low.count(":") + low.count("%3a") > 2)


def without_any(value: Any) -> Any:
    """A decoded JSON value without addresses: what is nothing else is left out, within texts they are covered."""
    if isinstance(value, str):
        return None if listed(value) else without(value)
    if isinstance(value, dict):
        kept = {without(name): without_any(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, {}, [])}
    if isinstance(value, list):
        return [inner for inner in map(without_any, value) if inner not in (None, {}, [])]
    return value

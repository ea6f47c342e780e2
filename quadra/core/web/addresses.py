"""From which address a request came. What a client says of itself counts only as far as trusted proxies wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import has_request_context, request

from quadra.core.networks import Networks, is_among, network_of, parse
from quadra.core.web.http import runtime

__all__ = ["network_of"]  # rooms that count by address ask for it here


def client_address() -> str:
    """Who sent this request. `X-Forwarded-For` counts only as far as trusted proxies wrote it.

    Each proxy adds its peer on the right: from there, the first address that is not a trusted proxy is the client's.
    What stands further left is the client's own invention.
    """
    return client_of(request.environ, runtime().settings.trusted_proxies)


def client_of(environ: Mapping[str, Any], trusted: Networks) -> str:
    """The same of a request that Flask does not see."""
    client = environ.get("REMOTE_ADDR") or ""
    if not is_among(client, trusted):
        return client
    for word in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = parse(word)
        if address is None:
            break
        client = str(address)
        if not is_among(client, trusted):
            break
    return client


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

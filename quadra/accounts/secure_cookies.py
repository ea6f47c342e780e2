"""Cookies by TLS are Secure and named `__Host-…`: browsers then take them from this very host only, for all of its paths, and no
other host of the domain and nobody on the way can plant one."""

from __future__ import annotations

from flask import has_request_context, request

from quadra.core.http import runtime
from quadra.core.limits import from_trusted_peer

PREFIX = "__Host-"


def over_tls() -> bool:
    """Whether the browser came by https, or ought to have."""
    if not has_request_context():
        return False
    if request.is_secure or runtime().settings.public_url.startswith("https://"):
        return True
    return from_trusted_peer() and request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip() == "https"


def cookie_name(name: str) -> str:
    """The name of a cookie in this request and its answer."""
    return PREFIX + name if over_tls() else name

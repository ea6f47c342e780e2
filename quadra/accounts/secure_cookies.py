"""Cookies by TLS are Secure and named `__Host-…`: browsers then take them from this very host only, for all of its paths, and no
other host of the domain and nobody on the way can plant one."""

from __future__ import annotations

from quadra.core.web.addresses import over_tls

PREFIX = "__Host-"


def cookie_name(name: str) -> str:
    """The name of a cookie in this request and its answer."""
    return PREFIX + name if over_tls() else name

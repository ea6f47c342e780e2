"""What an entry of an access log is as an event: a page view or a request, by which visitor. Pure.

A successful GET of a page by a person is a page view, everything else a request. Successful is 2xx, and 304: that is a
person who sees a page again which their browser still had. No address of a line is kept, wherever it stands in it;
`Visitors` makes an id of the client's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any
from urllib.parse import urlsplit

from quadra.ingest.agents import browser_of
from quadra.ingest.importers.access_log import Entry
from quadra.ingest.importers.addresses import without, without_any

ASSET = re.compile(
    r"\.(css|m?js|map|json|xml|rss|atom|txt|ico|cur|png|jpe?g|gif|svgz?|webp|avif|bmp|tiff?|woff2?|ttf|otf|eot|mp[34]|m4[av]|"
    r"webm|og[gav]|wav|flac|avi|mov|zip|gz|tgz|bz2|xz|7z|rar|tar|jar|deb|rpm|exe|dmg|iso|pdf|docx?|xlsx?|pptx?|csv|py|rb|sh|"
    r"wasm|webmanifest|swf|log|conf|ini|ya?ml|cpp|[ch]|java|pl|diff|patch|xslt?|dtd|bin|epub)",
    re.IGNORECASE,
)


URL = re.compile(r"(?:([a-z][a-z0-9+.-]*://)([^/?#]*))?([^?]*)(.*)", re.IGNORECASE | re.DOTALL)
"""Scheme, site, path, query."""
DOT = re.compile("%2e", re.IGNORECASE)


class Visitors:
    """Ids of those who have no other: a keyed hash of address and user agent, the same for this installation only."""

    def __init__(self, secret: str):
        self._key = hashlib.sha256(f"visitors:{secret}".encode()).digest()

    def id_of(self, address: str, agent: str) -> str:
        return "visitor-" + hmac.digest(self._key, f"{address}\0{agent}".encode(errors="replace"), "sha256").hex()[:24]


def fields_of(entry: Entry, visitors: Visitors) -> dict[str, Any]:
    """The event that an entry is, without its id."""
    entry = _without_addresses(entry)
    path = _path(entry.target)
    own = {
        "endpoint": path,
        "method": entry.method,
        "status_code": entry.status,
        "response_time_ms": None if entry.seconds is None else entry.seconds * 1000,
    }
    properties = {"bytes": entry.sent_bytes, "remote_user": entry.user, "request": entry.raw_request, **entry.more}
    is_page = _is_page(entry, path)
    if is_page:
        properties = {**properties, **own}
        own = {"duration_ms": own["response_time_ms"]} if entry.seconds else {}
    fields = {
        "kind": "page" if is_page else "request",
        "timestamp": entry.time,
        "anonymous_id": visitors.id_of(entry.address, entry.agent) if entry.address else None,
        "page_url": _url(entry),
        "referrer": entry.referrer,
        **own,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }
    return {name: value for name, value in fields.items() if value is not None}


def _without_addresses(entry: Entry) -> Entry:
    """In paths, which hold versions too, the line's own addresses are covered; elsewhere all of them."""
    own = (entry.host or "").partition(":")[0].lower()
    known = [address for address in entry.addresses if address not in (own, "localhost")]

    def clean(text: str | None) -> str | None:
        return text and without(text, known)

    def cover(text: str | None) -> str | None:
        return text and without(without(text, known))

    def clean_url(text: str | None) -> str | None:
        if not text:
            return text
        scheme, site, path, query = URL.fullmatch(text).groups("")  # type: ignore[union-attr]  # fits everything
        site = clean(site) if site.partition(":")[0].lower() == own else cover(site)
        return f"{scheme}{site}{clean(path)}{cover(DOT.sub('.', query))}"

    return entry._replace(
        target=clean_url(entry.target),
        referrer=clean_url(entry.referrer),
        user=cover(entry.user),
        host=clean(entry.host),
        raw_request=cover(entry.raw_request),
        more=without_any(dict(entry.more)),
    )


def _is_page(entry: Entry, path: str | None) -> bool:
    if entry.method != "GET" or path is None or not (200 <= entry.status < 300 or entry.status == 304):
        return False
    name = path.rpartition("/")[2]
    return not ASSET.fullmatch(name[name.rfind(".") :] if "." in name else "") and not browser_of(entry.agent).bot


def _path(target: str | None) -> str | None:
    if not target:
        return None
    if not target.startswith("/") and "://" in target[:20]:
        try:
            target = urlsplit(target).path or "/"
        except ValueError:
            return target
    return re.split(r"[?#]", target, maxsplit=1)[0] or "/"


def _url(entry: Entry) -> str | None:
    if not entry.target or not entry.host or not entry.target.startswith("/"):
        return entry.target
    host, _, port = entry.host.rpartition(":")
    scheme = entry.scheme or ("https" if port == "443" else "http")
    bare = host if port in ("80", "443") and host else entry.host
    return f"{scheme}://{bare}{entry.target}"

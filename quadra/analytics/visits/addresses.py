"""What an address says, as SQL: the page without its query, the host, the parameters of a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from quadra.core.pages import PATH, ROUTE

HOST_OF = r"'^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)'"
BARE_HOST = r"'^((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?:[/:?#]|$)'"
"""Some trackers send the host alone as a referrer."""


def page_of(url: str = "page_url", query: str = "page_query") -> str:
    """The path without its query, with the route in its hash and the parameters that the sender keeps."""
    path = f"coalesce(nullif(regexp_extract({url}, '{PATH}', 1), ''), '/')"
    route = f"CASE WHEN contains({url}, '#') THEN regexp_extract({url}, '{ROUTE}', 1) ELSE '' END"
    kept = f"CASE WHEN {query} <> '' THEN '?' || {query} ELSE '' END"
    return f"CASE WHEN {url} <> '' THEN {path} || {route} || {kept} END"


def host_of(url: str) -> str:
    """In small letters; empty where it names none."""
    return f"lower(coalesce(regexp_extract({url}, {HOST_OF}, 1), ''))"


def referrer_host_of(referrer: str) -> str:
    return f"coalesce(nullif({host_of(referrer)}, ''), lower(coalesce(regexp_extract({referrer}, {BARE_HOST}, 1), '')))"


def without_www(host: str) -> str:
    return f"CASE WHEN {host} LIKE 'www.%' THEN substr({host}, 5) ELSE {host} END"


def parameter_of(url: str, name: str) -> str:
    """The value of a parameter, of ours by name; empty where there is none. What is no UTF-8 stays as it was written."""
    raw = f"replace(regexp_extract({url}, '[?&]{name}=([^&#]*)', 1), '+', ' ')"
    found = f"trim(coalesce(TRY(url_decode({raw})), {raw}))"
    return f"CASE WHEN contains({url}, '{name}=') THEN {found} ELSE '' END"


def names_one_of(url: str, names: Sequence[str]) -> str:
    """The first parameter of these that has a value; empty where there is none."""
    return f"coalesce(regexp_extract({url}, '[?&]({'|'.join(names)})=[^&#]', 1), '')"

"""What stands before the time in a line of an access log: who asked, and of which virtual host. Pure.

A head is one of these, after the prefix that syslog, journald, Kubernetes or Compose put before the line:

    client [ident [user]]           203.0.113.7 - ada
    host client ident user          shop.example:443 203.0.113.7 - -
    client host - user              203.0.113.7 shop.example - -

A client is an address (with or without a port), a list of addresses as proxies forward them, a full host name, or `-`.
Everything else is refused: a guess would make one visitor of many, or keep an address in clear.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from quadra.ingest.importers.addresses import address_of, client_of, is_local, listed, name_of
from quadra.ingest.wire import Refused

_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_TAG = r"[\w./-]{1,64}(?:\[\d{1,10}\])?: ?"
PREFIX = re.compile(
    rf"(?:<\d{{1,3}}>)?(?:[A-Z][a-z]{{2}} [ \d]\d (?:\d{{4}} )?\d\d:\d\d:\d\d|{_DATE}) [\w.:-]{{1,255}} {_TAG}"
    rf"|<\d{{1,3}}>1 {_DATE} \S{{1,255}} \S{{1,48}} \S{{1,128}} \S{{1,32}} (?:-|\[[^\]]*\]) "
    rf"|{_DATE} (?:stdout|stderr) [FP] "
    r"|[\w.-]{1,64} +\| "
)
"""syslog and journald, RFC 5424, Kubernetes, Compose."""
_HOST = re.compile(r"(?=[^:]*[a-z])[a-z0-9_](?:[a-z0-9_.-]{0,253})(?::\d{1,5})?", re.IGNORECASE)


class Head(NamedTuple):
    address: str
    """The client's in one spelling; empty where the log does not say it."""
    all: tuple[str, ...]
    """Every address of the line: none of them is kept."""
    host: str | None
    user: str | None


def prefix_end(line: str) -> int:
    """Where the line itself begins."""
    found = PREFIX.match(line)
    return found.end() if found else 0


@lru_cache(maxsize=4096)
def read_head(text: str) -> Head:
    """Raises `Refused`. Cached: a page's images come from the address that the page came from."""
    words = re.sub(r"\s*,\s*", ",", text.strip()).split()
    first, second = (_clients(word) for word in (*words, "?", "?")[:2])
    named = bool(words) and name_of(words[0]) is not None
    if first is not None and not named and len(words) > 3 and words[2] == "-" and _is_full_name(words[1]):
        return _head(first, words[1], words[3:])
    if first is not None and _is_rest(words[1:]) and (len(words) > 2 or not named):
        return _head(first, None, words[2:])
    if second is not None and _is_rest(words[2:]) and len(words) > 3 and _is_host(words[0], words[1]):
        return _head(second, None if words[0] in ("-", "_") else words[0], words[3:])
    raise Refused("invalid", {"line": f"does not begin as an access log does: {_why(words)}"})


def with_forwarded(head: Head, forwarded: str) -> Head:
    """The head, with the client that a proxy names where the address in the head is that of a proxy: a local one."""
    hops = listed(forwarded)
    if not hops:
        return head
    address = client_of(hops) if not head.address or is_local(head.address) else head.address
    return head._replace(address=address, all=(*head.all, *hops))


def _head(clients: list[str], host: str | None, user: list[str]) -> Head:
    who = " ".join(user)
    return Head(client_of(clients), tuple(clients), host, None if who in ("", "-", '""') else who)


def _clients(word: str) -> list[str] | None:
    found = listed(word)
    if found is None and (name := name_of(word)) is not None:
        return [name]
    return found


def _is_rest(words: list[str]) -> bool:
    """Whether this may be the ident and the user, either of which may be missing: `- - -` is one word too many for that."""
    ident = words[0] if words else "-"
    known = address_of(ident) is None and not _is_full_name(ident) and "," not in ident
    return known and not (len(words) > 2 and words[1] == "-")


def _is_full_name(word: str) -> bool:
    return "." in word and name_of(word.partition(":")[0]) is not None


def _is_host(word: str, following: str) -> bool:
    """A virtual host is one without doubt where an address follows it, or where both are full names."""
    if address_of(following) is None and "," not in following and not _is_full_name(word):
        return False
    return word in ("-", "_") or _HOST.fullmatch(word) is not None


def _why(words: list[str]) -> str:
    if sum(address_of(word) is not None for word in words) > 1:
        return "which of its addresses is the client's is not said (a list of them has commas)"
    return "expected is client - user, or virtual-host client - user"

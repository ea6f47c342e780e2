"""Keys: what a program shows instead of a password. The key itself is shown once; the table keeps its SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import SCOPES, ApiKey, Project, Scope
from quadra.core import clock
from quadra.core.errors import Invalid, NotFound

START = "qk_"
PREFIX_LENGTH = 11
LONGEST = 200
STALE_SECONDS = 60
"""How long an answer that is no longer fresh may serve while it is looked up again behind."""
TOUCH_EVERY = timedelta(minutes=1)
HOST = re.compile(r"(?=.*[.:]|localhost)[A-Za-z0-9_.-]+(:\d{1,5})?")
Found = sa.Row[ApiKey, Project]
ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://(\*\.)?[^\s/*?#@]+")


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is known and not revoked, with what its holder needs to know of its project."""

    id: int
    project_id: int
    project_slug: str
    scope: Scope
    prefix: str
    origins: tuple[str, ...]
    timezone: str


def make_key(
    session: Session, *, project: Project, scope: str, name: str = "", origins: Iterable[str] = ()
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which nobody can read again. Raises `Invalid`."""
    name, wanted = name.strip(), [origin.strip().rstrip("/").lower() for origin in origins]
    fields: dict[str, str] = {}
    if scope not in SCOPES:
        fields["scope"] = "ingest, read or admin"
    if len(name) > 200 or (name and not name.isprintable()):
        fields["name"] = "at most 200 printable characters"
    if len(wanted) > 100 or not all(len(origin) <= 300 and ORIGIN.fullmatch(origin) for origin in wanted):
        fields["origins"] = "at most 100, such as https://example.com, https://*.example.com or *"
    if fields:
        raise Invalid("The key cannot be made like this.", fields=fields)
    plain = START + secrets.token_urlsafe(32)
    row = ApiKey(
        project_id=project.id,
        scope=scope,
        name=name,
        prefix=plain[:PREFIX_LENGTH],
        sha256=_digest(plain),
        origins=wanted,
    )
    session.add(row)
    session.flush()
    return row, plain


def find_key(session: Session, plain: str) -> Key | None:
    """The key whose plain text this is, unless it is unknown or revoked.

    A site's host stands for the write key that is limited to it: some trackers know no other word for themselves.
    """
    if len(plain) > LONGEST:
        return None
    query = sa.select(ApiKey, Project).join(Project, Project.id == ApiKey.project_id).where(ApiKey.revoked_at.is_(None))
    if plain.startswith(START):
        found = session.execute(query.where(ApiKey.sha256 == _digest(plain))).first()
    elif HOST.fullmatch(plain):
        found = _of_host(session.execute(query.where(ApiKey.scope == "ingest").order_by(ApiKey.id)), plain.lower())
    else:
        return None
    if found is None:
        return None
    row, project = found
    return Key(row.id, project.id, project.slug, row.scope, row.prefix, tuple(row.origins), project.timezone)


def _of_host(rows: Iterable[Found], host: str) -> Found | None:
    """The first key that is limited to pages of this host; None where two projects have one, so that nothing is mixed up."""
    fit = []
    for row in rows:
        key, _ = row
        named = [origin for origin in key.origins if origin != "*"]
        if named and any(origin_allowed(named, f"{scheme}://{host}") for scheme in ("https", "http")):
            fit.append(row)
    return fit[0] if len({key.project_id for key, _ in fit}) == 1 else None


def get_key(session: Session, key_id: int) -> ApiKey:
    """Raises `NotFound`."""
    if (row := session.get(ApiKey, key_id, populate_existing=True)) is None:
        raise NotFound(f"There is no key {key_id}.")
    return row


def revoke_key(session: Session, *, key_id: int) -> ApiKey:
    """From now on nothing is opened by this key. A second time changes nothing. Raises `NotFound`."""
    session.execute(
        sa.update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=clock.now())
    )
    return get_key(session, key_id)


def list_keys(session: Session, *, project_id: int | None = None) -> list[ApiKey]:
    """Newest first, the revoked ones too."""
    query = sa.select(ApiKey).order_by(ApiKey.id.desc())
    if project_id is not None:
        query = query.where(ApiKey.project_id == project_id)
    return list(session.scalars(query))


def touch_keys(session: Session, used: Mapping[int, datetime]) -> None:
    """Note when keys were last used; a row that was noted less than a minute before is left as it is."""
    for key_id, at in sorted(used.items()):  # in one order everywhere, so that two processes cannot deadlock
        stale = sa.or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= at - TOUCH_EVERY)
        session.execute(sa.update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=at))


def origin_allowed(origins: Iterable[str], origin: str | None) -> bool:
    """Whether a page of `origin` may use a key that is limited to `origins`; no `origins` means any.

    A limited key is refused to a sender that names no origin, too: every browser names it.
    """
    allowed = tuple(origins)
    if not allowed or "*" in allowed:
        return True
    origin = (origin or "").lower()
    return any(origin == one or ("://*." in one and _is_below(one, origin)) for one in allowed)


def _is_below(pattern: str, origin: str) -> bool:
    scheme, domain = pattern.split("*", 1)
    middle = origin[len(scheme) : -len(domain)]
    return (
        origin.startswith(scheme)
        and origin.endswith(domain)
        and re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", middle) is not None
    )


class KeyRing:
    """Keys as the hot path knows them: seen lately, so that an event does not wait for the database.

    A revoked key may go on for `ttl_seconds` and the next look. Unknown keys are remembered too, in a place of their
    own: guesses cannot push the real keys out. Both places are bounded. Safe from any thread; only `find` may block.
    """

    def __init__(self, load: Callable[[str], Key | None], *, ttl_seconds: float = 5, size: int = 10_000):
        self._load = load
        self._ttl = ttl_seconds
        self._size = size
        self._known: dict[str, tuple[float, Key]] = {}
        self._unknown: dict[str, float] = {}
        self._lock = threading.Lock()

    def cached(self, plain: str) -> tuple[bool, Key | None]:
        """`(True, the key or None)` when it was looked up lately, else `(False, what it was a minute ago)`. Never blocks."""
        at = time.monotonic()
        known = self._known.get(plain)
        if known is not None:
            return known[0] > at, known[1] if at - known[0] < STALE_SECONDS else None
        return self._unknown.get(plain, 0.0) > at, None

    def store(self, plain: str, key: Key | None) -> None:
        """Remember an answer. What no key can be is not kept: its length is the sender's choice."""
        if len(plain) > LONGEST:
            return
        until = time.monotonic() + self._ttl
        with self._lock:
            # taken out first, so that the oldest entry stays the first one
            self._known.pop(plain, None)
            self._unknown.pop(plain, None)
            if key is None:
                self._unknown[plain] = until
            else:
                self._known[plain] = until, key
            for place in (self._known, self._unknown):
                while len(place) > self._size:
                    del place[next(iter(place))]

    def find(self, plain: str) -> Key | None:
        """The key, looked up where it was not lately. Blocks; runs on a native thread."""
        hit, key = self.cached(plain)
        if not hit:
            key = self._load(plain)
            self.store(plain, key)
        return key


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()

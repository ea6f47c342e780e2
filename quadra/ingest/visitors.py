"""The id of a visitor who sends none: a keyed hash of address and user agent, another one each day.

The key of a day is the hash of the key before, and only the newest is kept. So all processes have the same one, and nobody
can find out later, not even with the database in hand, which visitor an address was. The address itself is nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.setup import installation_secret
from quadra.accounts.tables import InstallationSecret
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.runtime import Runtime

NAME = "visitors of the day"
START = "visitor-"
LONGEST_AGENT = 512
"""Of what is hashed: its length is the sender's choice."""
FIRST_DAY = date(2026, 11, 1)
"""Of a secret that was just made and has no day yet: one day for all processes, before any that needs a key."""
Key = tuple[date, bytes]


class Visitors:
    """Of one web process."""

    def __init__(self, database: Database):
        self._database = database
        self._key: Key | None = None

    @property
    def is_ready(self) -> bool:
        return self._key is not None

    def load(self) -> None:
        """Before the first id. Blocks; raises `Unavailable`."""
        with self._database.begin() as session:
            self._key = read_key(session)

    def id_of(self, project_id: int, address: str, agent: str) -> str:
        """The same all day (UTC) for one address and user agent, in this project alone."""
        assert self._key is not None
        self._key = day, key = advanced(self._key, clock.now().date())
        said = f"{day}\0{project_id}\0{address}\0{agent[:LONGEST_AGENT]}".encode(errors="replace")
        return START + hmac.digest(key, said, "sha256").hex()[:24]


def advanced(key: Key, today: date) -> Key:
    """The key of today. A clock that went back keeps the newer one: the older one is gone."""
    day, secret = key
    if day >= today:
        return key
    for _ in range((today - day).days):
        secret = hashlib.sha256(secret).digest()
    return today, secret


def read_key(session: Session) -> Key:
    """What the database holds, brought up to today. Made where there is none."""
    return advanced(_parsed(installation_secret(session, NAME)), clock.now().date())


def forget_older(runtime: Runtime) -> None:
    """Put today's key in the place of an older one."""
    with runtime.database.read() as session:
        held = session.scalar(sa.select(InstallationSecret.value).where(InstallationSecret.name == NAME))
    if held is None or (key := _parsed(held))[0] == (newest := advanced(key, clock.now().date()))[0]:
        return
    with runtime.database.begin() as session:
        here = sa.and_(InstallationSecret.name == NAME, InstallationSecret.value == held)
        session.execute(sa.update(InstallationSecret).where(here).values(value=f"{newest[0]}:{newest[1].hex()}"))


def _parsed(held: str) -> Key:
    day, colon, secret = held.partition(":")
    if not colon:
        return FIRST_DAY, hashlib.sha256(held.encode()).digest()
    return date.fromisoformat(day), bytes.fromhex(secret)

"""Wake the workers when there is something to do, so that nothing waits for their poll.

Within a process a bell is rung; PostgreSQL carries a notification to the other processes, at the commit of the
transaction that enqueued. SQLite and MariaDB have no such thing: there the workers look more often. A wake-up may get
lost or come for nothing; only the poll is relied on.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import psycopg
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.orm import Session

from quadra.core.database import Database

logger = logging.getLogger(__name__)

CHANNEL = "quadra_jobs"
LOOK_SECONDS = 0.07
"""How often a worker looks for work where the database does not tell. A look is one step into an index, some 0.2 ms."""
LISTEN_SECONDS = 0.5
"""How long the listening thread may take to notice that it should end."""
RETRY_SECONDS = 2.0

_bells: set[threading.Event] = set()


def add_bell(bell: threading.Event) -> None:
    _bells.add(bell)


def remove_bell(bell: threading.Event) -> None:
    _bells.discard(bell)


def ring() -> None:
    """Wake the workers of this process. Call after the commit; safe on any thread and on the event loop."""
    for bell in tuple(_bells):
        bell.set()


def wake_workers(session: Session) -> None:
    """Wake the workers of every process when `session` commits."""
    ring_after_commit(session)
    notify(session.connection())


def ring_after_commit(session: Session) -> None:
    """Wake the workers of this process when `session` commits."""
    sa_event.listen(session, "after_commit", lambda _session: ring(), once=True)


def notify(connection: sa.Connection) -> None:
    """Wake the workers of other processes when `connection` commits."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


class NoListener:
    """For databases that tell nothing."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Listener(NoListener):
    """Sets `bell` whenever PostgreSQL says that there is work. It has a connection outside of the pool."""

    def __init__(self, database: Database, bell: threading.Event):
        self._url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._bell = bell
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs-listen", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(LISTEN_SECONDS * 4)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                logger.warning("jobs.listener.lost", extra={"reason": str(error).strip()})
                self._stopping.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=3, keepalives_idle=5) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._bell.set()  # whatever was announced before now went unheard
            while not self._stopping.is_set():
                for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                    self._bell.set()


def listening(database: Database, bell: threading.Event, poll: timedelta) -> tuple[NoListener, float]:
    """What rings `bell` for work from other processes, and the seconds after which to look all the same."""
    seconds = poll.total_seconds()
    if database.dialect == "postgresql":
        return Listener(database, bell), seconds
    return NoListener(), min(seconds, LOOK_SECONDS)

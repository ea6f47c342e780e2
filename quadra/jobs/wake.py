"""Wake the workers when there is something to do, so that nothing waits for their poll.

Within a process an event is set; PostgreSQL carries a notification to the other processes, at the commit of the
transaction that enqueued. SQLite and MariaDB have no such thing: there Redis carries it. Without Redis the workers look more
often, on SQLite only where somebody has written. A wake-up may get lost or come for nothing; only the poll is relied on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from abc import ABC, abstractmethod
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.orm import Session

from quadra.core.bus import NoBus
from quadra.core.database import WAKEUPS, Database, Wakeup
from quadra.core.file_writes import FileWrites

logger = logging.getLogger(__name__)

CHANNEL = "quadra_jobs"
TOPIC = "jobs"
LOOK_SECONDS = 0.07
"""How often a worker looks for work where the database does not tell."""
LOOKS = 3
"""So many times after a write."""
LISTEN_SECONDS = 0.5
"""How long the listening thread may take to notice that it should end."""
RETRY_SECONDS = 2.0


class RemoteWakeup:
    """The wakeups of the workers in other processes."""

    def __init__(self, bus: NoBus):
        self._bus = bus

    def set(self) -> None:
        self._bus.publish(TOPIC, None)


def reach_others(database: Database, bus: NoBus) -> None:
    """Have `wake_here` reach other processes, where the database does not see to it."""
    if bus.configured and database.dialect != "postgresql":
        database.wakeups.add(RemoteWakeup(bus))


def wake_here(database: Database) -> None:
    """Wake the workers of this process. Call after the commit; safe on any thread and on the event loop."""
    _wake(database.wakeups)


def wake_workers(session: Session) -> None:
    """Wake the workers of every process when `session` commits."""
    wake_after_commit(session)
    notify(session.connection())


def wake_after_commit(session: Session) -> None:
    """Wake the workers of this process when `session` commits."""
    wakeups: set[Wakeup] = session.info[WAKEUPS]
    sa_event.listen(session, "after_commit", lambda _session: _wake(wakeups), once=True)


def _wake(wakeups: set[Wakeup]) -> None:
    for wakeup in tuple(wakeups):
        wakeup.set()


def notify(connection: sa.Connection) -> None:
    """Wake the workers of other processes when `connection` commits."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


class NoListener:
    """For databases that tell nothing."""

    def __init__(self, poll: timedelta):
        self._poll = poll.total_seconds()

    @property
    def seconds(self) -> float:
        """After which to look for work all the same."""
        return min(self._poll, LOOK_SECONDS)

    def start(self) -> None: ...

    def stop(self) -> None: ...


class BusListener(NoListener):
    """Sets `wakeup` when another process announces work. While Redis is away, nothing is announced."""

    def __init__(self, bus: NoBus, wakeup: threading.Event, poll: timedelta):
        super().__init__(poll)
        self._bus = bus
        bus.on(TOPIC, lambda _message: wakeup.set())
        bus.on_change(lambda _alive: wakeup.set())  # what was announced since then is lost; poll more often from now on

    @property
    def seconds(self) -> float:
        return self._poll if self._bus.alive else super().seconds


class ThreadListener(NoListener, ABC):
    """Listens on a thread of its own, again and again where what it listens to is lost."""

    def __init__(self, wakeup: threading.Event, poll: timedelta):
        super().__init__(poll)
        self._wakeup = wakeup
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs-listen", daemon=True)

    @property
    def seconds(self) -> float:
        return self._poll

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(LISTEN_SECONDS * 4)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except self.lost as error:
                logger.warning("jobs.listener.lost", extra={"reason": str(error).strip()})
                self._stopping.wait(RETRY_SECONDS)

    @property
    @abstractmethod
    def lost(self) -> tuple[type[Exception], ...]:
        """What `_listen` raises then."""

    @abstractmethod
    def _listen(self) -> None:
        """Set `_wakeup` for each piece of news, until `_stopping`."""


class Listener(ThreadListener):
    """Sets `wakeup` whenever PostgreSQL says that there is work. It has a connection outside of the pool."""

    def __init__(self, database: Database, wakeup: threading.Event, poll: timedelta):
        super().__init__(wakeup, poll)
        self._url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def lost(self) -> tuple[type[Exception], ...]:
        return (psycopg.Error,)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=3, keepalives_idle=5) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._wakeup.set()  # what was announced before now went unheard
            while not self._stopping.is_set():
                for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                    self._wakeup.set()


class FileListener(ThreadListener):
    """Sets `wakeup` when another connection wrote to the SQLite file and jobs wait. It looks with two bare statements: the
    look of a worker takes a hundred times as long. It has a connection of the pool.

    What is written shows when it is committed, which may last a while: hence some looks after each write. A file that was
    replaced is another one: then only the poll finds what is new.
    """

    def __init__(self, database: Database, wakeup: threading.Event, poll: timedelta):
        super().__init__(wakeup, poll)
        self._database = database

    @property
    def lost(self) -> tuple[type[Exception], ...]:
        return (sa.exc.SQLAlchemyError, sqlite3.Error)

    def _listen(self) -> None:
        with (
            self._database.engine.connect() as connection,
            closing(FileWrites(Path(f"{self._database.url.database}-wal"))) as writes,
        ):
            cursor = connection.connection.cursor()
            seen: object = None
            looks = LOOKS
            while not self._stopping.wait(LOOK_SECONDS if looks else 0):
                wrote = writes.wait(0 if looks else LISTEN_SECONDS)
                looks = LOOKS if wrote or not writes.works else max(0, looks - 1)
                # fetched to the end: a statement that is not over keeps the file's log from being cut
                version = cursor.execute("PRAGMA data_version").fetchall()
                if version == seen:
                    continue
                seen = version
                if cursor.execute("SELECT 1 FROM job WHERE state = 'PENDING' LIMIT 1").fetchall():
                    self._wakeup.set()


def listening(database: Database, bus: NoBus, wakeup: threading.Event, poll: timedelta) -> NoListener:
    """What sets `wakeup` for work from other processes."""
    if database.dialect == "postgresql":
        return Listener(database, wakeup, poll)
    if bus.configured:
        return BusListener(bus, wakeup, poll)
    return FileListener(database, wakeup, poll) if database.dialect == "sqlite" else NoListener(poll)

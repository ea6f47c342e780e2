"""Which web processes serve this database, so that two of them never run side by side without Redis to join them.

Each has a row, and moves it every few seconds. A process that has no Redis starts only when nobody else is alive. Being
alive is never guessed from a row alone: on the same machine the process itself is looked for; for a row of another machine
or container one waits whether it still moves. So a crash never keeps the next start out for more than a few seconds.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from quadra.core import clock, migrate
from quadra.core.database import Base, Instant, name_column
from quadra.core.errors import Misconfigured, QuadraError, Unavailable
from quadra.core.locks import delete_free
from quadra.core.runtime import Runtime

logger = logging.getLogger(__name__)

BEAT_SECONDS = 4.0
WATCH_SECONDS = 10.0
"""How long a row of another machine may stand still before its process counts as gone: two beats, and some more."""
OLD = timedelta(hours=1)
"""Rows that nobody moved for so long are removed by whoever comes by; clocks of machines may differ by less."""
UNHEARD_SECONDS = 30.0
"""How long another process may move its row without being heard. A gunicorn worker that is replaced ends sooner."""
LEAVE_SECONDS = 2.0


class WebProcess(Base):
    """A web process that is alive, or was a moment ago."""

    __tablename__ = "web_process"

    name: Mapped[str] = mapped_column(name_column(100), primary_key=True)
    place: Mapped[str] = mapped_column(name_column(200))
    """The machine and the namespace in which its process id means something."""
    pid: Mapped[int] = mapped_column()
    born: Mapped[int] = mapped_column(sa.BigInteger)
    """When the operating system made the process: an id is given to another process later."""
    master_pid: Mapped[int] = mapped_column(default=0)
    """The gunicorn that keeps it; 0 for `quadra serve`."""
    joined: Mapped[bool] = mapped_column()
    """Whether it has Redis."""
    started_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    heartbeat_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)


class Presence:
    """This web process among the others."""

    def __init__(self, runtime: Runtime, *, master_pid: int = 0):
        self._runtime = runtime
        self._joined = runtime.settings.redis_configured
        self._here = place()
        self._master_pid = master_pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="presence", daemon=True)
        self._beats: dict[str, tuple[datetime, float]] = {}
        self._deaf_since: dict[str, float] = {}

    def enter(self) -> None:
        """Take a place among the web processes. Raises `Misconfigured` when that needs Redis; may wait some seconds."""
        try:
            migrate.wait_until_there(self._runtime.database, seconds=0 if self._joined else 45)
        except Unavailable:
            if self._joined:
                return  # nobody would be kept out, so the row can wait until the database is there
            raise
        if migrate.behind(self._runtime.database):
            raise Misconfigured("The database is older than this version: run `quadra init` first.")
        if self._joined:
            return
        first_seen: dict[str, datetime] = {}
        gone: set[str] = set()
        until = time.monotonic() + WATCH_SECONDS
        while others := self._claim(gone):
            for other in others:
                if other.place == self._here or other.heartbeat_at != first_seen.setdefault(
                    other.name, other.heartbeat_at
                ):
                    raise Misconfigured(refusal(other))
            if time.monotonic() > until:
                gone = set(first_seen)
                continue
            logger.warning("web.start.waited", extra={"for": others[0].name})
            time.sleep(1)

    def attach(self) -> None:
        """Move the row while this process serves, and remove it at the end."""
        self._runtime.on_start.append(self._thread.start)
        self._runtime.on_stop.append(self._leave)

    def _leave(self) -> None:
        self._stop.set()
        leaving = threading.Thread(target=self._remove, name="presence-leave", daemon=True)
        leaving.start()
        leaving.join(LEAVE_SECONDS)  # a database that hangs must not hold the process; its row stands still then

    def _remove(self) -> None:
        self._thread.join()  # a beat that is under way would put the row in again
        try:
            with self._runtime.database.begin() as session:
                session.execute(sa.delete(WebProcess).where(WebProcess.name == self._runtime.name))
        except (QuadraError, SQLAlchemyError) as error:
            logger.warning("web.row.left", extra={"reason": str(error)})

    def _claim(self, gone: set[str]) -> Sequence[WebProcess]:
        """Put our row in when nobody else may be alive; otherwise who may be."""
        with self._runtime.database.begin() as session:
            if self._runtime.database.dialect != "sqlite":  # where `begin` has taken the only lock there is
                # any row that is always there: of two that start at once, one is first
                session.execute(sa.text("SELECT version_num FROM alembic_version FOR UPDATE"))
            others = [other for other in self._others(session) if other.name not in gone]
            others = [other for other in others if not self._hands_over_to_us(other)]
            if not others:
                if gone:
                    delete_free(session, WebProcess, WebProcess.name.in_(gone))
                session.add(self._row())
            return others

    def _others(self, session: Session) -> list[WebProcess]:
        """The rows of processes that may be alive; the others are removed."""
        rows = list(session.scalars(sa.select(WebProcess).where(WebProcess.name != self._runtime.name)))
        since = clock.now() - OLD
        dead = [row for row in rows if row.heartbeat_at < since or (row.place == self._here and not runs(row))]
        if dead:
            delete_free(session, WebProcess, WebProcess.name.in_([row.name for row in dead]))
        return [row for row in rows if row not in dead]

    def _hands_over_to_us(self, other: WebProcess) -> bool:
        """gunicorn replaces its worker (SIGHUP): the old one ends as soon as the new one runs."""
        return bool(self._master_pid) and (other.place, other.master_pid) == (self._here, self._master_pid)

    def _row(self) -> WebProcess:
        own = psutil.Process()
        return WebProcess(
            name=self._runtime.name,
            place=self._here,
            pid=own.pid,
            born=int(own.create_time() * 1e6),
            master_pid=self._master_pid,
            joined=self._joined,
        )

    def _beat_until_stopped(self) -> None:
        while True:
            try:
                self._beat()
            except (QuadraError, SQLAlchemyError) as error:
                logger.warning("web.beat.postponed", extra={"reason": str(error)})
            except Exception:
                logger.exception("web.beat.failed")
            if self._stop.wait(BEAT_SECONDS):
                return

    def _beat(self) -> None:
        with self._runtime.database.begin() as session:
            row = session.get(WebProcess, self._runtime.name)
            if (
                row is None
            ):  # the first beat of one with Redis, or somebody took us for gone, or the database is another one
                session.add(self._row())
            else:
                row.heartbeat_at = clock.now()
            others = self._others(session)
        self._complain([row for row in others if self._moves(row)])

    def _moves(self, row: WebProcess) -> bool:
        """Whether the row was moved since we saw it first and not long ago, by our own clock."""
        at = time.monotonic()
        beat, moved_at = self._beats.get(row.name, (row.heartbeat_at, -WATCH_SECONDS))
        if beat != row.heartbeat_at:
            moved_at = at
        self._beats[row.name] = row.heartbeat_at, moved_at
        return at - moved_at < WATCH_SECONDS

    def _complain(self, others: list[WebProcess]) -> None:
        """Say in the log, now and then, that processes serve the same database and do not hear each other."""
        bus, at = self._runtime.bus, time.monotonic()
        deaf = {row.name: "one of the two has no Redis" for row in others if not (self._joined and row.joined)}
        if bus.configured and bus.alive:
            heard = set(bus.peers())
            deaf |= {row.name: "it has another Redis" for row in others if row.joined and row.name not in heard}
        self._deaf_since = {name: self._deaf_since.get(name, at) for name in deaf}
        for name, reason in deaf.items():
            if at - self._deaf_since[name] > UNHEARD_SECONDS:
                logger.error("web.process.unheard", extra={"process": name, "reason": reason})
                self._deaf_since[name] = at


def runs(row: WebProcess) -> bool:
    """Whether the process of a row of this place is there."""
    try:
        return abs(psutil.Process(row.pid).create_time() * 1e6 - row.born) < 5e6
    except psutil.NoSuchProcess:
        return False


def place() -> str:
    """Where a process id of ours means something: this machine since it was started, and this container."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [socket.gethostname()[:100], boot.read_text().strip() if boot.exists() else ""]
    return ":".join([*parts, str(namespace.readlink()) if namespace.is_symlink() else ""])


def refusal(other: WebProcess) -> str:
    """Why this process does not start, and what to do."""
    return (
        f"Another web process serves this database: {other.name}, since {clock.iso(other.started_at)}. More than one "
        "needs Redis to join them: set REDIS_URL (the same one) for all of them, or stop the other one."
    )


def alive(session: Session) -> list[WebProcess]:
    """The web processes that moved their row lately."""
    since = clock.now() - timedelta(seconds=3 * BEAT_SECONDS)
    return list(
        session.scalars(sa.select(WebProcess).where(WebProcess.heartbeat_at >= since).order_by(WebProcess.name))
    )

"""What a backup needs of a database, and who provides it for each of the three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from quadra.backup.stores.manifest import SegmentCopy
from quadra.core.database import Database
from quadra.core.settings import Settings

Write = Callable[[bytes], int]


@dataclass
class Facts:
    """About the very state that was dumped."""

    counts: dict[str, int]
    segments: list[SegmentCopy]
    revision: str
    server_version: str
    position: str = ""
    counts_exact: bool = True
    size: int = field(default=0)
    """Bytes to come, about; for the progress bar."""


class Dumper(Protocol):
    """One kind of database."""

    suffix: str
    """Of the file's name."""

    def dump(self, settings: Settings, scratch: Path, write: Write, on_facts: Callable[[Facts], None]) -> None:
        """Write a consistent dump, after telling the facts. `scratch` is an empty directory. Raises `QuadraError`."""

    def load(self, settings: Settings, dump: Path, url: str) -> None:
        """Fill an empty database; one that is not, or a dump that is wrong, raises, and nothing is left in it."""

    def scratch(self, settings: Settings, directory: Path) -> AbstractContextManager[str]:
        """The URL of an empty database that is gone afterwards."""

    def replace(self, settings: Settings, dump: Path, directory: Path, check: Callable[[str], None]) -> str:
        """Put the dump in the place of the database that the settings name, and of whatever is in it. `check` is called
        with the URL of what was loaded and raises to refuse it; then, and on every error, the old one stays. Says where
        the old one is kept, if anywhere.
        """


def counts(connection: sa.Connection) -> dict[str, int]:
    """Rows by table."""
    names = sorted(sa.inspect(connection).get_table_names())
    query = {name: sa.select(sa.func.count()).select_from(sa.table(name)) for name in names}
    return {name: int(connection.scalar(statement) or 0) for name, statement in query.items()}


def segments(connection: sa.Connection) -> list[SegmentCopy]:
    """Those that questions read. None where the schema is older than segments."""
    if "segment" not in sa.inspect(connection).get_table_names():
        return []
    table = sa.table("segment", *(sa.column(name) for name in ("path", "bytes", "sha256", "rows", "state")))
    query = sa.select(table.c.path, table.c.bytes, table.c.sha256, table.c.rows).where(table.c.state == "LIVE")
    return [SegmentCopy(*row) for row in connection.execute(query.order_by(table.c.path))]


def events(connection: sa.Connection, listed: list[SegmentCopy]) -> int:
    """Each event once: those in segments, and those in the database that no segment holds yet."""
    hot, batch = sa.table("event", sa.column("batch_id")), sa.table("batch", sa.column("id"), sa.column("segment_id"))
    fresh = sa.select(sa.func.count()).select_from(hot).join(batch, batch.c.id == hot.c.batch_id)
    return int(connection.scalar(fresh.where(batch.c.segment_id.is_(None))) or 0) + sum(one.rows for one in listed)


def revision(connection: sa.Connection) -> str:
    if "alembic_version" not in sa.inspect(connection).get_table_names():
        return ""
    return str(connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table("alembic_version"))) or "")


@contextmanager
def opened(url: sa.URL | str) -> Iterator[Database]:
    """A database that is used for a moment."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    database = Database(text, pool_size=1)
    try:
        yield database
    finally:
        database.dispose()


def connected(url: str) -> Iterator[sa.Connection]:
    """A connection to a database that is looked at for a moment; a SQLite file keeps its journal mode and stays one file."""
    engine = sa.create_engine(url) if url.startswith("sqlite") else Database(url, pool_size=1).engine
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()

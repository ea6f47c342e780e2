"""A SQLite file that goes, or is replaced, under a process that has it open: nothing is written into what nobody will read."""

from __future__ import annotations

import errno
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core.database import Database
from quadra.core.errors import Unavailable


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{home / 'quadra.db'}")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (number INTEGER)")
    yield database
    database.dispose()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").rename(path)


WAYS: dict[str, Callable[[Path], object]] = {
    "the file removed": lambda path: path.unlink(),
    "the file replaced by its own copy": replace,
    "the log removed": lambda path: path.with_name(path.name + "-wal").unlink(),
    "the index of the log removed": lambda path: path.with_name(path.name + "-shm").unlink(),
    "the directory removed": lambda path: shutil.rmtree(path.parent),
    "the directory replaced": lambda path: (
        path.parent.rename(path.parent.with_name("elsewhere")),
        path.parent.mkdir(),
        path.touch(),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_written_or_read_once_the_file_is_another(way: str, database: Database, home: Path) -> None:
    write(database)
    WAYS[way](home / "quadra.db")
    there = sorted(home.iterdir()) if home.exists() else None
    with pytest.raises(Unavailable, match="removed or replaced"), database.begin() as session:
        session.execute(sa.text("INSERT INTO kept VALUES (2)"))
    with pytest.raises(Unavailable, match="removed or replaced"), database.read() as session:
        session.execute(sa.text("SELECT * FROM kept"))
    with pytest.raises(sa.exc.OperationalError, match=str(home)):
        write(database)
    with pytest.raises(sa.exc.OperationalError):
        database.ping()
    assert (sorted(home.iterdir()) if home.exists() else None) == there


def test_what_was_committed_while_the_disk_failed_is_not_taken_for_written(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fake answer of the system: a disk that fails may end a sync as if it were done."""
    monkeypatch.setattr("quadra.core.durable.os.utime", failed_at_the_second_time())
    with pytest.raises(Unavailable, match="disk"), database.begin() as session:
        session.execute(sa.text("INSERT INTO kept VALUES (2)"))
    with pytest.raises(sa.exc.OperationalError, match="the disk failed while this was written"):
        write(database)
    with database.read() as session:
        session.execute(sa.text("SELECT * FROM kept"))


def failed_at_the_second_time() -> Callable[[object], None]:
    """As ext4 answers after a sync that said too much: the first change finds out, the second is refused."""
    times = itertools.count()

    def utime(_file: object) -> None:
        if next(times) > 0:
            raise OSError(errno.EROFS, "Read-only file system")

    return utime


def test_a_new_connection_makes_no_new_file(database: Database, home: Path) -> None:
    with database.engine.connect():
        for path in home.iterdir():
            path.unlink()
        with pytest.raises(sa.exc.OperationalError, match="was removed"), database.engine.connect():
            pass
    assert list(home.iterdir()) == []


def test_a_file_that_goes_during_a_transaction_is_noticed_after_its_commit(database: Database, home: Path) -> None:
    with pytest.raises(sa.exc.OperationalError, match="was removed"):
        write(database, meanwhile=(home / "quadra.db").unlink)


def test_a_session_notices_it_too(database: Database, home: Path) -> None:
    def write_by_session() -> None:
        with database.begin() as session:
            session.execute(sa.text("INSERT INTO kept VALUES (2)"))
            (home / "quadra.db").unlink()

    with pytest.raises(Unavailable, match="removed or replaced"):
        write_by_session()


def test_the_same_file_put_back_is_good_again(database: Database, home: Path) -> None:
    write(database)
    home.rename(home.with_name("elsewhere"))
    with pytest.raises(sa.exc.OperationalError):
        write(database)
    home.with_name("elsewhere").rename(home)
    write(database)
    with database.read() as session:
        assert session.execute(sa.text("SELECT count(*) FROM kept")).scalar_one() == 2


def test_a_restore_replaces_the_file_of_a_database_that_it_disposed_of(database: Database, home: Path) -> None:
    write(database)
    database.dispose()
    replace(home / "quadra.db")
    write(database)


def test_a_database_in_memory_has_no_file() -> None:
    database = Database("sqlite://")
    with database.connect_to_write() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    database.dispose()


def test_a_commit_is_on_the_disk_before_it_is_acknowledged(database: Database) -> None:
    """FULL: with less, what a writer has acknowledged may be gone after a power cut, in WAL mode."""
    with database.connect_to_write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    with database.begin() as session:
        assert session.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2


def write(database: Database, *, meanwhile: Callable[[], object] = lambda: None) -> None:
    with database.connect_to_write() as connection:
        connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
        meanwhile()

"""Events that come in do not wait longer for SQLite's write lock than they must."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core import database as module
from quadra.core.database import ASK_SECONDS, LOCK_SECONDS, Database


def test_whoever_writes_first_asks_for_the_lock_each_millisecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, other = (Database(f"sqlite:///{tmp_path}/quadra.db") for _ in range(2))
    asked = []
    with other.begin() as held:
        held.execute(sa.text("CREATE TABLE one (id INTEGER)"))

        def release_at_the_fifth(seconds: float) -> None:
            asked.append(seconds)
            if len(asked) == 5:
                held.commit()

        monkeypatch.setattr(module.time, "sleep", release_at_the_fifth)
        with database.connect_to_write() as connection:
            connection.execute(sa.text("INSERT INTO one VALUES (1)"))
            patience = connection.scalar(sa.text("PRAGMA busy_timeout"))
    assert asked == [ASK_SECONDS] * 5
    assert patience == LOCK_SECONDS * 1_000
    with database.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM one")) == 1
    for one in (database, other):
        one.dispose()


def test_a_lock_that_is_never_released_is_said_by_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    database, other = (Database(f"sqlite:///{tmp_path}/quadra.db") for _ in range(2))
    with other.begin(), pytest.raises(sa.exc.OperationalError, match="database is locked"), database.connect_to_write():
        pass
    with database.connect_to_write() as connection:  # the next one gets it
        connection.execute(sa.text("CREATE TABLE one (id INTEGER)"))
    for one in (database, other):
        one.dispose()

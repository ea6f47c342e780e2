"""Every command over a database that a newer version made: the same sentence, an exit code, and nothing done."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from quadra.cli import COMMANDS, quadra
from quadra.core import migrate
from quadra.core.database import Database
from quadra.core.errors import Misconfigured

OTHERWISE = {
    "serve": "a process of its own: tests/backup/test_what_to_do.py",
    "worker": "a process of its own, as serve",
    "doctor": "says so as one of its checks",
    "recover": "says so as one of its steps: tests/backup/test_recover.py",
    "restore": "puts another database in its place",
    "backup list": "reads the stores alone",
    "backup tar": "reads the stores alone",
    "backup prune": "reads the stores alone",
    "backup verify": "restores into a database of its own",
    "backup schedule": "shows settings, and the crontab",
    "wal": "the files of a PostgreSQL server, whatever is in it",
    "pitr": "the files of a PostgreSQL server, whatever is in it",
    "replica": "PostgreSQL servers, whatever is in them",
    "field score": "reads the named file alone",
    "validate": "asks a server over HTTP",
    "rollout": "starts and stops processes over HTTP and files",
    "bench": "makes databases of its own",
}


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for word, one in command.commands.items():
            yield from leaves(one, f"{name} {word}")
    else:
        yield name, command


FOUND = {
    name: command
    for word in COMMANDS
    for name, command in leaves(quadra.get_command(click.Context(quadra), word) or click.Command(word), word)
}
REFUSING = [name for name in FOUND if name not in OTHERWISE and name.split()[0] not in OTHERWISE]


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("newer")
    database = Database(f"sqlite:///{data / 'quadra.db'}")
    migrate.upgrade(database)
    database.dispose()
    with closing(sqlite3.connect(data / "quadra.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
    (data / "file").write_text("{}\n")
    return data


def given(command: click.Command, data: Path) -> list[str]:
    """Something for whatever the command cannot do without."""
    words = []
    for one in command.params:
        if one.name == "generate":
            words.append("--generate")
        elif isinstance(one, click.Argument) or one.required:
            kind = one.type
            value = str(data / "file") if isinstance(kind, click.Path) else "1"
            value = str(kind.choices[0]) if isinstance(kind, click.Choice) else value
            words += [value] if isinstance(one, click.Argument) else [one.opts[0], value]
    return words


@pytest.mark.parametrize("name", REFUSING)
def test_a_command_does_nothing_to_a_database_of_a_newer_version(
    name: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUADRA_DATA_DIR", str(newer))
    monkeypatch.setenv("DATABASE_URL", "")
    before = (newer / "quadra.db").read_bytes()
    done = CliRunner().invoke(FOUND[name], given(FOUND[name], newer), prog_name="quadra")
    assert isinstance(done.exception, Misconfigured), (done.exception, done.output)
    assert done.exception.message == migrate.newer("9999_later")
    assert (newer / "quadra.db").read_bytes() == before


def test_what_is_excepted_is_there() -> None:
    words = {word for name in FOUND for word in (name, name.split()[0])}
    assert set(OTHERWISE) <= words
    assert len(REFUSING) > 20

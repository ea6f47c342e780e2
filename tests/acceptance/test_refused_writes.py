"""A database that answers and takes no writes, or whose file is not there any more: senders are told to try again, nobody is
told 400, nothing acknowledged is lost, and all heals by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.load import Load, assert_kept
from tests.clients import database_of, event, send
from tests.servers.base import Server
from tests.servers.disks import Disk, disk, failing_disk
from tests.servers.keeper import Keeper
from tests.servers.mariadb import USER, MariadbServer
from tests.servers.postgres import PostgresServer
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.fixture
def mounted(keeper: Keeper) -> Iterator[Callable[..., Disk]]:
    with ExitStack() as stack:
        yield lambda path, **options: stack.enter_context(disk(keeper, path, **options))


Start = Callable[..., Any]


@contextmanager
def file_moved_away(_start: Start, tmp_path: Path, _mounted: Any) -> Iterator[tuple[str, Any, Any]]:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    yield f"sqlite:///{home / 'quadra.db'}", lambda: home.rename(elsewhere), lambda: elsewhere.rename(home)


@contextmanager
def full_disk_of_sqlite(_start: Start, tmp_path: Path, mounted: Any) -> Iterator[tuple[str, Any, Any]]:
    place = mounted(tmp_path / "disk", megabytes=30)
    yield f"sqlite:///{place.path / 'quadra.db'}", place.fill, place.empty


@contextmanager
def full_disk_of_postgres(start: Start, _tmp_path: Path, mounted: Any) -> Iterator[tuple[str, Any, Any]]:
    yield from full_disk_of_server(start, PostgresServer, mounted, settings={"min_wal_size": "32MB"})


@contextmanager
def full_disk_of_mariadb(start: Start, _tmp_path: Path, mounted: Any) -> Iterator[tuple[str, Any, Any]]:
    yield from full_disk_of_server(start, MariadbServer, mounted)


def full_disk_of_server(
    start: Start, kind: type[PostgresServer | MariadbServer], mounted: Any, **options: Any
) -> Iterator[tuple[str, Any, Any]]:
    """Its data directory is a small disk. A server that ended on it is started again, as whoever makes room does."""
    disks: list[Disk] = []
    server = start(kind, mount=lambda path, owner: disks.append(mounted(path, megabytes=160, owner=owner)), **options)
    (place,) = disks

    def make_room() -> None:
        place.empty()
        server.ensure_running()

    yield server.database(), place.fill, make_room


@contextmanager
def read_only_postgres(start: Start, _tmp_path: Path, _mounted: Any) -> Iterator[tuple[str, Any, Any]]:
    server = start(PostgresServer)
    url = server.database()

    def turn(on: str) -> None:
        server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {on}")
        server.execute("SELECT pg_reload_conf()")

    yield url, lambda: turn("on"), lambda: turn("off")


@contextmanager
def read_only_mariadb(start: Start, _tmp_path: Path, _mounted: Any) -> Iterator[tuple[str, Any, Any]]:
    server = start(MariadbServer)
    server._execute(f"REVOKE SUPER, READ ONLY ADMIN ON *.* FROM {USER}@'127.0.0.1'")
    turn = "SET GLOBAL read_only = {}".format
    yield server.database(), lambda: server._execute(turn(1)), lambda: server._execute(turn(0))


WAYS = {
    "sqlite, its directory moved away": file_moved_away,
    "sqlite, a full disk": full_disk_of_sqlite,
    "postgresql, a full disk": full_disk_of_postgres,
    "postgresql, read-only": read_only_postgres,
    "mariadb, a full disk": full_disk_of_mariadb,
    "mariadb, read-only": read_only_mariadb,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_taken_is_said_and_what_was_acknowledged_is_kept(
    way: str,
    start_server: Callable[..., Server],
    quadra_process: Callable[..., QuadraProcess],
    tmp_path: Path,
    mounted: Callable[..., Disk],
) -> None:
    with WAYS[way](start_server, tmp_path, mounted) as (url, take_away, give_back):
        quadra = quadra_process({"DATABASE_URL": url, "QUADRA_INGEST_TIMEOUT": "2s"}, command=("serve", "--no-worker"))
        with Load(quadra.init["write_key"]).on(quadra) as load:
            load.wait_for_more(200)
            take_away()
            answers_that_it_takes_nothing(quadra)
            give_back()
            load.wait_for_more(200)
            eventually(lambda: send(quadra, "/health/ready", method="GET").status == 200)
        assert {code.removeprefix("503 ") for code in load.refusals} <= {"unavailable"}
        eventually(lambda: "ingest.flush.failed" in quadra.log())
        with database_of(quadra) as database:
            assert_kept(load, database)


def test_a_disk_that_fails_under_sqlite_is_said_until_it_is_replaced(
    keeper: Keeper, quadra_process: Callable[..., QuadraProcess], tmp_path: Path
) -> None:
    """The kernel makes a disk read-only when it fails, whoever has files of it open."""
    with failing_disk(keeper, tmp_path / "disk") as place:
        url = f"sqlite:///{place.path / 'quadra.db'}"
        quadra = quadra_process({"DATABASE_URL": url}, command=("serve", "--no-worker"))
        with Load(quadra.init["write_key"]).on(quadra) as load:
            load.wait_for_more(200)
            place.fail()
            answers_that_it_takes_nothing(quadra)
            quadra.stop()
            place.replace()
            quadra.start()
            load.wait_for_more(200)
        assert {code.removeprefix("503 ") for code in load.refusals} <= {"unavailable", "stopping"}
        with database_of(quadra) as database:
            assert_kept(load, database)
        quadra.stop()


def answers_that_it_takes_nothing(quadra: QuadraProcess) -> None:
    """Once what was under way is through. On a full disk a small event may find room for longer than a large one."""
    answers = []

    def refuses() -> bool:
        answers.append(send(quadra, body=event()))
        return answers[-1].status == 503

    eventually(refuses)
    assert {answer.status for answer in answers[:-1]} <= {200}
    assert answers[-1].code == "unavailable"
    assert int(answers[-1].headers["Retry-After"]) >= 1
    eventually(lambda: send(quadra, "/health/ready", method="GET").status == 503)
    assert send(quadra, "/health", method="GET", timeout=60).status == 200


def test_a_file_that_is_removed_is_said_until_somebody_acts(
    quadra_process: Callable[..., QuadraProcess], tmp_path: Path
) -> None:
    """Nothing brings it back, and nothing is acknowledged into it or into a new one in its place."""
    home = tmp_path / "home"
    home.mkdir()
    quadra = quadra_process({"DATABASE_URL": f"sqlite:///{home / 'quadra.db'}"})
    with Load(quadra.init["write_key"]).on(quadra) as load:
        load.wait_for_more(200)
        eventually(lambda: "worker.started" in quadra.log())  # one that starts without a file makes one
        for path in home.iterdir():
            path.unlink()
        eventually(lambda: send(quadra, body=event()).status == 503)
        eventually(lambda: send(quadra, "/health/ready", method="GET").status == 503)
        eventually(lambda: "was removed" in quadra.log())
        refused = load.refusals.total()
        # by then what was acknowledged before the removal has reached its sender
        eventually(lambda: load.refusals.total() > refused + 100)
        with load.lock:
            count = len(load.acknowledged)
        for _ in range(20):
            assert send(quadra, body=event()).status == 503
        assert len(load.acknowledged) == count
        assert not (home / "quadra.db").exists()
        assert quadra.running

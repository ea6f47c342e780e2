"""The servers that other tests rely on: they answer, keep data where they should, freeze, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
import sqlalchemy as sa
from playwright.sync_api import Browser
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers import available
from tests.servers.base import Server
from tests.servers.disks import disk
from tests.servers.keeper import Keeper, alive
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.waiting import eventually

TOP = Path(__file__).resolve().parents[2]


def ask(url: str, *statements: str) -> list[object]:
    """Run the statements in one transaction on a connection of their own; the rows of the last."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
        return [row[0] for row in result] if result.returns_rows else []


def test_every_database_answers_and_begins_empty(any_database_url: str) -> None:
    assert ask(any_database_url, "SELECT 1") == [1]
    engine = sa.create_engine(any_database_url, poolclass=sa.NullPool)
    assert sa.inspect(engine).get_table_names() == []
    ask(any_database_url, "CREATE TABLE note (text VARCHAR(20))", "INSERT INTO note VALUES ('kept')")
    assert ask(any_database_url, "SELECT text FROM note") == ["kept"]


def test_every_database_keeps_text_of_every_script(any_database_url: str) -> None:
    ask(any_database_url, "CREATE TABLE note (text VARCHAR(20))", "INSERT INTO note VALUES ('日本 é 🙂')")
    assert ask(any_database_url, "SELECT text FROM note") == ["日本 é 🙂"]


def test_two_databases_of_one_server_do_not_see_each_other(postgres: PostgresServer) -> None:
    first, second = postgres.database(), postgres.database()
    ask(first, "CREATE TABLE note (text VARCHAR(20))")
    assert first != second
    assert sa.inspect(sa.create_engine(second, poolclass=sa.NullPool)).get_table_names() == []
    postgres.drop(first)
    with pytest.raises(sa.exc.OperationalError, match="does not exist"):
        ask(first, "SELECT 1")


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_a_database_server_that_was_killed_still_has_what_was_committed(
    name: str, request: pytest.FixtureRequest
) -> None:
    server: PostgresServer | MariadbServer = request.getfixturevalue(name)
    url = server.database()
    ask(url, "CREATE TABLE note (text VARCHAR(20))", "INSERT INTO note VALUES ('kept')")
    server.kill()
    with pytest.raises(sa.exc.OperationalError):
        ask(url, "SELECT 1")
    server.start()
    assert ask(url, "SELECT text FROM note") == ["kept"]


@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis_server"])
def test_a_server_stops_when_asked_and_comes_back_on_its_port(name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(name)
    port, pid = server.port, server.pid
    server.stop()
    assert not server.running
    assert not psutil.pid_exists(pid)
    server.ensure_running()
    assert server.running
    assert server.port == port


def test_postgres_is_as_durable_as_in_production(postgres: PostgresServer) -> None:
    shown = [ask(postgres.url, f"SHOW {name}")[0] for name in ("fsync", "synchronous_commit", "full_page_writes")]
    assert shown == ["on", "on", "on"]


def test_a_paused_postgres_holds_its_callers_until_it_is_resumed(postgres: PostgresServer) -> None:
    postgres.ensure_running()
    postgres.pause()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(postgres.url.replace("+psycopg", ""), connect_timeout=2)
    postgres.resume()
    assert ask(postgres.url, "SELECT 1") == [1]


def test_a_postgres_of_ones_own_takes_settings(start_server: Callable[..., PostgresServer]) -> None:
    own = start_server(PostgresServer, settings={"wal_level": "logical"})
    assert ask(own.url, "SHOW wal_level") == ["logical"]


def test_postgres_brings_the_tools_for_backups(postgres: PostgresServer) -> None:
    for program in ("pg_dump", "pg_restore", "pg_basebackup", "pg_rewind", "pg_ctl"):
        assert os.access(postgres.bin / program, os.X_OK), program


def test_redis_gives_empty_databases_and_carries_messages(redis_server: RedisServer) -> None:
    with redis.from_url(redis_server.database()) as client, client.pubsub(ignore_subscribe_messages=True) as listener:
        assert client.dbsize() == 0
        client.set("seen", "yes")
        listener.subscribe("news")
        listener.get_message(timeout=2)
        with redis.from_url(redis_server.database()) as other:
            assert other.get("seen") is None
            other.publish("news", "hello")
        assert listener.get_message(timeout=60)["data"] == b"hello"


def test_a_paused_redis_times_out_and_then_answers(redis_server: RedisServer) -> None:
    redis_server.ensure_running()
    with redis.from_url(redis_server.url, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)) as client:
        redis_server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis_server.resume()
    with redis.from_url(redis_server.url) as client:
        assert client.ping()


def test_the_browser_runs_scripts(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content("<p id=here></p><script>document.getElementById('here').textContent = 6 * 7</script>")
        assert page.text_content("#here") == "42"


def test_a_run_that_is_killed_leaves_no_server_and_no_directory(tmp_path: Path) -> None:
    """The keeper's promise, kept for a real child of a process that SIGKILL ends."""
    directory = tmp_path / "to-remove"
    directory.mkdir()
    program = textwrap.dedent("""
        import subprocess, sys, time
        from tests.servers.keeper import Keeper
        keeper = Keeper()
        child = subprocess.Popen([sys.executable, "-c", "import subprocess, sys, time; "
            "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True); time.sleep(600)"],
            stdout=subprocess.PIPE, start_new_session=True)
        keeper.tell(f"directory {sys.argv[1]}")
        keeper.tell(f"pid {child.pid}")
        print(child.pid, child.stdout.readline().decode(), flush=True)
        time.sleep(600)
    """)
    command = [sys.executable, "-c", program, str(directory)]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as run:
        child, grandchild = (psutil.Process(int(pid)) for pid in run.stdout.readline().split())
        assert alive(child)
        run.send_signal(signal.SIGKILL)
    eventually(lambda: not (alive(child) or alive(grandchild) or directory.exists()))


def test_the_disks_of_a_run_that_is_killed_are_unmounted(keeper: Keeper, tmp_path: Path) -> None:
    with disk(keeper, tmp_path / "probe"):
        pass  # skips where none can be mounted
    place = tmp_path / "disk"
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tests.servers.disks import disk
        from tests.servers.keeper import Keeper
        with disk(Keeper(), Path(sys.argv[1])) as found:
            open(found.path / "open", "w")
            print("mounted", flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", program, str(place)], cwd=TOP, stdout=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"mounted\n"
        assert place.is_mount()
        run.send_signal(signal.SIGKILL)
    eventually(lambda: not place.is_mount())


def test_the_keeper_lets_live_what_it_was_told_is_gone() -> None:
    keeper = Keeper()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        keeper.tell(f"pid {child.pid}")
        keeper.tell(f"gone {child.pid}")
        keeper.close()
        assert child.poll() is None
        child.kill()


def test_a_server_that_is_not_here_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "_directories", list)
    monkeypatch.setattr(available, "_postgres_directories", list)
    monkeypatch.setattr(available, "WHEELS", Path("/nonexistent"))
    found = available.missing()
    assert set(found) == {wanted.name for wanted in available.WANTED}
    assert found["PostgreSQL"] == "no postgres in PATH or Debian's directories; Debian's package is postgresql"
    assert found["Redis Sentinel"].endswith("Debian's package is redis-sentinel")
    assert found["Chromium"] == "no chromium in PATH or /usr/bin; Debian's package is chromium-headless-shell"

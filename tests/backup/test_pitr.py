"""Back to a moment, for real: a Quadra that acknowledges events, a primary that archives, and a cluster recovered beside it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from quadra.backup.dumps.postgres_programs import ProgramFailed, find
from quadra.backup.pitr import base_backup, base_store, wal_chain
from quadra.backup.pitr import cluster as pitr_cluster
from quadra.backup.pitr import point_in_time as pitr
from quadra.backup.pitr.cluster import Place
from quadra.backup.pitr.plan import Base, OutOfReach
from quadra.core.errors import Conflict, Misconfigured
from tests.backup.conftest import WHO, send, sql
from tests.servers.base import free_port
from tests.servers.quadra import QuadraProcess


def take_base(pair, name: str) -> Base:
    path = pair.archive.path / f"{name}.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        facts = base_backup.take(pair.settings(), out.write, lambda _done, _all: None)
    return Base(name, facts, lambda: gzip.open(path))


@pytest.fixture(scope="module")
def history(pair, keeper):
    """Two acknowledged events with a moment between them, after a base backup."""
    with ExitStack() as stack:
        quadra = stack.enter_context(closing(QuadraProcess(keeper, pair.environment())))
        before = datetime.now(UTC)
        send(quadra, "before-the-base")
        base = take_base(pair, "base-1")
        after_first = stamp(lambda: send(quadra, "first"))
        after_second = stamp(lambda: send(quadra, "second"))
        # tests ask for these moments in any order, and the log reaches them only once its segment is archived
        pitr.ask_living(pair.settings(), pair.archive.wal, after_second)
        yield {"base": base, "before": before, "between": after_first, "after": after_second, "quadra": quadra}


def stamp(act) -> datetime:
    act()
    time.sleep(0.05)
    at = datetime.now(UTC)
    time.sleep(0.05)
    return at


@pytest.fixture
def place(pair):
    made = Place(pair.archive.path / f"restored-{time.monotonic_ns()}", free_port(), WHO)
    yield made
    pitr_cluster.stop(pair.settings(), made, find_major(pair))


def find_major(pair) -> int:
    with sql(pair.primary) as connection:
        return connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()[0]


def events(pair, place: Place) -> set[str]:
    url = pitr_cluster.url_of(pair.settings(), place).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT event_id FROM event")}


def recover(pair, history, place: Place, target: datetime | None) -> dict:
    settings = pair.settings()
    made = pitr.plan(settings, [history["base"]], pair.archive.wal, target)
    pitr_cluster.check_place(place, made, str(pair.primary.data))
    return pitr.recover(settings, made, place, pair.archive.wal, lambda _step: None)


def test_between_two_acknowledged_events_there_is_exactly_the_first(pair, history, place):
    pitr.ask_living(pair.settings(), pair.archive.wal, history["between"])

    found = recover(pair, history, place, history["between"])

    assert events(pair, place) == {"before-the-base", "first"}
    assert found["rows"]["event"] == 2
    assert found["revision"] == found["head"]
    assert "recovery stopping before commit" in found["recovery"]
    with sql(pair.primary) as living:  # was not touched
        assert living.execute("SELECT count(*) FROM event").fetchone()[0] == 3


def test_a_recovered_cluster_takes_writes_and_archives_nothing_by_itself(pair, history, place):
    pitr.ask_living(pair.settings(), pair.archive.wal, history["between"])
    recover(pair, history, place, history["between"])
    before = set(pair.archive.wal.iterdir())

    url = pitr_cluster.url_of(pair.settings(), place).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE mine (x int)")
        connection.execute("SELECT pg_switch_wal()")
        time.sleep(0.5)

    assert set(pair.archive.wal.iterdir()) == before
    commands = pitr.switch_over(pair.settings(), place, find_major(pair))
    assert any("wal_archive.py push" in line for line in commands)


def test_latest_brings_everything_that_was_archived(pair, history, place):
    pitr.ask_living(pair.settings(), pair.archive.wal, None)

    recover(pair, history, place, None)

    assert events(pair, place) >= {"before-the-base", "first", "second"}


def test_a_moment_after_the_archived_log_is_refused_with_the_nearest_one(pair, history):
    pitr.ask_living(pair.settings(), pair.archive.wal, None)
    waldump = find("pg_waldump", pair.settings())
    chain = wal_chain.follow(pair.archive.wal, timeline=1, start=wal_chain.lsn(history["base"].facts.stop_lsn))
    last = wal_chain.last_commit(pair.archive.wal, chain, waldump)

    with pytest.raises(OutOfReach, match="the archived log ends at") as refused:
        pitr.plan(pair.settings(), [history["base"]], pair.archive.wal, last + timedelta(seconds=5))

    nearest = datetime.fromisoformat(refused.value.fields["to"].split(" ")[0].replace("Z", "+00:00"))
    assert pitr.plan(pair.settings(), [history["base"]], pair.archive.wal, nearest).target == nearest


def test_a_moment_before_the_first_base_backup_is_refused_with_the_earliest_one(pair, history):
    with pytest.raises(OutOfReach, match="before the first base backup") as refused:
        pitr.plan(pair.settings(), [history["base"]], pair.archive.wal, history["before"])

    earliest = datetime.fromisoformat(refused.value.fields["to"].split(" ")[0].replace("Z", "+00:00"))
    pitr.ask_living(pair.settings(), pair.archive.wal, None)
    assert pitr.plan(pair.settings(), [history["base"]], pair.archive.wal, earliest).base is history["base"]


def test_a_moment_in_the_future_is_refused(pair, history):
    with pytest.raises(OutOfReach, match="in the future"):
        pitr.ask_living(pair.settings(), pair.archive.wal, datetime.now(UTC) + timedelta(minutes=5))


def test_a_missing_segment_is_named_and_the_moment_before_it_offered(pair, history):
    pitr.ask_living(pair.settings(), pair.archive.wal, None)
    names = wal_chain.archived(pair.archive.wal)
    lost = pair.archive.wal / f"{names[-2]}.gz"
    away = lost.rename(pair.archive.path / "lost")
    try:
        with pytest.raises(OutOfReach, match=f"{names[-2]} is missing"):
            pitr.plan(pair.settings(), [history["base"]], pair.archive.wal, None)
    finally:
        away.rename(lost)


def test_what_stands_in_the_way_is_said_before_anything_is_written(pair, history):
    made = pitr.plan(pair.settings(), [history["base"]], pair.archive.wal, history["between"])
    free = free_port()

    for directory, port, said in (
        (pair.primary.data / "inside", free, "in the data of the living cluster"),
        (pair.archive.wal, free, "not empty"),
        (pair.archive.path / "new", pair.primary.port, "is taken"),
    ):
        with pytest.raises(Conflict, match=said):
            pitr_cluster.check_place(Place(directory, port, WHO), made, str(pair.primary.data))
        assert not (pair.archive.path / "new").exists()


def test_a_flipped_byte_in_the_base_backup_stops_recovery_and_names_the_file(pair, history, place):
    whole = history["base"].open().read()
    at = whole.index(b"PG_VERSION\x00") + 512
    broken = pair.archive.path / "broken.tar.gz"
    broken.write_bytes(gzip.compress(whole[:at] + b"9" + whole[at + 1 :], 1))
    base = Base("broken", history["base"].facts, lambda: gzip.open(broken))  # noqa: SIM115

    with pytest.raises(ProgramFailed, match="PG_VERSION"):
        recover(pair, history | {"base": base}, place, history["between"])


def test_a_base_backup_with_a_wrong_password_says_so(pair):
    settings = pair.settings().model_copy(update={"database_url": pair.primary.url.replace(":quadra@", ":wrong@")})

    with pytest.raises(Exception, match="password authentication failed"):
        base_backup.take(settings, lambda _chunk: None, lambda _done, _all: None)


def test_the_command_takes_a_base_backup_and_recovers_to_a_moment(pair, history, run_quadra):
    environment = pair.environment() | {"QUADRA_BACKUP_DIR": str(pair.archive.path / "backups")}
    taken = run_quadra(environment, "wal", "base", "--json")
    send(history["quadra"], "third")
    time.sleep(0.05)
    moment = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    send(history["quadra"], "fourth")
    place = Place(pair.archive.path / "by-command", free_port(), WHO)
    options = [
        "--directory",
        place.directory,
        "--port",
        place.port,
        *(["--as-user", WHO.name] if os.geteuid() == 0 else []),
    ]

    dry = run_quadra(environment, "pitr", "--to", moment, "--dry-run", *options)
    assert not place.directory.exists()
    done = run_quadra(environment, "pitr", "--to", moment, *options)
    try:
        assert (dry.returncode, done.returncode) == (0, 0), done.stderr
        assert "Nothing was changed." in dry.stdout
        assert json.loads(taken.stdout)["id"] in done.stdout
        assert "export DATABASE_URL='postgresql://quadra:***@127.0.0.1:" in done.stdout
        assert {"third"} <= events(pair, place)
        assert "fourth" not in events(pair, place)
    finally:
        pitr_cluster.stop(pair.settings(), place, find_major(pair))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--to", "yesterday"], 2, "is no time such as"),
        (["--to", "2020-01-01T00:00:00Z"], 1, "before the first base backup"),
        (["--to", "2099-01-01T00:00:00Z"], 1, "in the future"),
        (["--to", "latest", "--as-user", "no-such-user"], 2, "as_user"),
    ],
)
def test_wrong_input_is_answered_with_what_to_do(pair, history, run_quadra, arguments, code, said):
    environment = pair.environment() | {"QUADRA_BACKUP_DIR": str(pair.archive.path / "backups")}
    if not list((pair.archive.path / "backups" / "base").glob("base-*")):
        assert run_quadra(environment, "wal", "base", "--json").returncode == 0

    done = run_quadra(environment, "pitr", *arguments)

    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_without_postgresql_the_moments_are_backups(run_quadra, tmp_path):
    environment = {"QUADRA_DATA_DIR": str(tmp_path)}
    none = run_quadra(environment, "pitr", "--to", "latest")
    assert run_quadra(environment, "init", "--json").returncode == 0
    taken = json.loads(run_quadra(environment, "backup", "take", "--kind", "database", "--json").stdout)["id"]

    latest = run_quadra(environment, "pitr", "--to", "latest")
    before = run_quadra(environment, "pitr", "--to", "2020-01-01T00:00:00Z")

    assert (none.returncode, latest.returncode, before.returncode) == (1, 0, 1)
    assert "no backup of the database" in none.stderr
    assert f"quadra restore --id {taken} --yes" in latest.stdout
    assert "before the first backup" in before.stderr


def test_pruning_keeps_what_the_kept_backups_need_and_nothing_older(pair, history):
    settings = pair.settings(backup_dir=pair.archive.path / "pruned")
    old, _ = base_store.take(settings, lambda _done, _all: None)
    pitr.ask_living(settings, pair.archive.wal, None)
    new, _ = base_store.take(settings, lambda _done, _all: None)
    pitr.ask_living(settings, pair.archive.wal, None)
    copy = pair.archive.path / "copy"
    shutil.copytree(pair.archive.wal, copy)

    assert base_store.prune(settings, copy, keep=2, dry_run=True)[0] == []
    gone, segments = base_store.prune(settings, copy, keep=1)

    assert gone == [old.id]
    assert segments
    assert [each.id for each in base_store.manifests(settings)] == [new.id]
    chain = wal_chain.follow(copy, timeline=1, start=wal_chain.lsn(new.facts.start_lsn))
    assert chain.gaps == ()
    assert chain.segments == tuple(wal_chain.archived(copy))


def test_one_flipped_byte_is_found(pair):
    settings = pair.settings(backup_dir=pair.archive.path / "flipped")
    taken, path = base_store.take(settings, lambda _done, _all: None)
    assert base_store.verify(settings, taken.id) == taken
    tar = path / base_store.TAR
    content = bytearray(tar.read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(content)

    with pytest.raises(base_store.Damage, match="another hash"):
        base_store.verify(settings, taken.id)


def test_half_a_base_backup_is_not_listed_and_said_to_be_damaged(pair):
    settings = pair.settings(backup_dir=pair.archive.path / "halves")
    short, unreadable, whole = (base_store.take(settings, lambda _done, _all: None) for _ in range(3))
    with (short[1] / base_store.TAR).open("r+b") as tar:
        tar.truncate(1_000)
    (unreadable[1] / base_store.MANIFEST).write_text("{")

    kept, damaged = base_store.look(settings)

    assert [each.id for each in kept] == [whole[0].id]
    assert [one for one in (short[0].id, unreadable[0].id) if any(one in said for said in damaged)] == [
        short[0].id,
        unreadable[0].id,
    ]
    with pytest.raises(base_store.Damage, match="should have"):
        base_store.verify(settings, short[0].id)


def test_a_base_backup_that_fails_publishes_nothing(pair):
    settings = pair.settings(backup_dir=pair.archive.path / "failed", postgres_bin=pair.archive.path)

    with pytest.raises(Misconfigured, match="pg_basebackup is not on this machine"):
        base_store.take(settings, lambda _done, _all: None)

    assert [path.name for path in base_store.directory(settings).iterdir()] == [".lock"]

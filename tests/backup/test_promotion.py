"""A primary is killed and a replica takes its place, with real servers and a real Quadra that acknowledged events."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing

import pytest

from quadra.backup.replica import memory as replica_memory
from quadra.backup.replica.promotion import Wanted, promote
from quadra.backup.replica.rejoin import Rejoin, rejoin
from quadra.backup.replica.sides import replica_url
from quadra.core.errors import Conflict, Invalid
from tests.backup.conftest import WHO, send, sql
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


def statuses(outcome) -> dict[str, str]:
    return {step.name: step.status for step in outcome.steps}


@pytest.fixture(scope="module")
def lone(make_pair):
    """A primary and two replicas without a Quadra, for refusals."""
    pair = make_pair()
    return pair, pair.replica("one"), pair.replica("two")


def test_while_the_primary_lives_nothing_is_promoted(lone, tmp_path):
    pair, one, _two = lone

    outcome = promote(pair.settings(one, data_dir=tmp_path), Wanted(f"127.0.0.1:{one.port}", confirm_fenced=True))

    assert not outcome.ok
    assert statuses(outcome)["primary as seen from here"] == "fail"
    assert "is alive" in outcome.failed[0].message
    with sql(one) as there:
        assert there.execute("SELECT pg_is_in_recovery()").fetchone()[0] is True


def test_a_primary_that_only_we_cannot_reach_is_not_down(lone, tmp_path):
    """From here the address is dead; the replica still hears it."""
    pair, one, _two = lone
    settings = pair.settings(one, data_dir=tmp_path)
    url = pair.primary.url.replace(f":{pair.primary.port}/", ":1/")
    cut_off = settings.model_copy(update={"database_url": url})

    outcome = promote(cut_off, Wanted(f"127.0.0.1:{one.port}", confirm_fenced=True, wait_seconds=0.5))

    assert statuses(outcome)["primary as seen from here"] == "pass"
    assert outcome.failed[0].name == "primary as seen from the replicas"
    assert not outcome.promoted


def test_a_server_that_answers_with_an_error_is_alive(lone, tmp_path):
    pair, one, _two = lone
    settings = pair.settings(one, data_dir=tmp_path)
    wrong = settings.model_copy(update={"database_url": pair.primary.url.replace(":quadra@", ":wrong@")})
    url = f"postgresql://quadra:quadra@127.0.0.1:{one.port}/postgres"

    outcome = promote(wrong, Wanted(url, confirm_fenced=True))

    assert "answers, though not as it should" in outcome.failed[0].message


def test_a_primary_is_no_target_and_a_stranger_is_none_either(lone, tmp_path):
    pair, one, _two = lone
    settings = pair.settings(one, data_dir=tmp_path)

    itself = promote(settings, Wanted(f"127.0.0.1:{pair.primary.port}"))
    nobody = promote(settings, Wanted("127.0.0.1:1"))

    assert "uses already" in itself.failed[0].message
    assert nobody.failed[0].name == "target answers"
    with pytest.raises(Invalid, match="is no replica"):
        promote(settings, Wanted("mysql://x/y"))


def test_without_synchronous_replication_the_bound_is_printed_and_the_fence_is_demanded(lone, tmp_path, run_quadra):
    """The last test with `lone`: its primary does not come back."""
    pair, one, two = lone
    settings = pair.settings(one, two, data_dir=tmp_path)
    eventually(lambda: "one" in replica_memory.remember(settings).sync_states)
    pair.primary.kill()
    environment = pair.environment(one, two) | {"QUADRA_DATA_DIR": str(tmp_path)}
    target = f"127.0.0.1:{one.port}"

    unfenced = run_quadra(environment, "replica", "promote", target)
    fence = {"QUADRA_FENCE_COMMAND": "false"}
    failed_fence = run_quadra(environment | fence, "replica", "promote", target)
    dry = run_quadra(environment, "replica", "promote", target, "--confirm-fenced", "--dry-run", "--json")
    forgotten = promote(
        settings.model_copy(update={"data_dir": tmp_path / "none"}), Wanted(target, confirm_fenced=True)
    )

    assert unfenced.returncode == 1
    assert "FAIL  old primary is fenced" in unfenced.stdout
    assert "false ended with 1" in failed_fence.stdout
    told = json.loads(dry.stdout)
    assert (dry.returncode, told["ok"], told["promoted"]) == (0, True, False)
    assert told["may_be_lost"]["nothing"] is False
    assert "Nothing of what the primary had at" in told["may_be_lost"]["message"]
    assert forgotten.failed[0].name == "what may be lost"
    assert "--accept-loss" in forgotten.failed[0].message
    with sql(one) as there:
        assert there.execute("SELECT pg_is_in_recovery()").fetchone()[0] is True


def test_a_replica_that_has_less_than_another_is_not_promoted(make_pair, tmp_path):
    pair = make_pair()
    behind, ahead = pair.replica("behind"), pair.replica("ahead")
    behind.stop()
    pair.primary.execute("CREATE TABLE more AS SELECT generate_series(1, 1000)")
    with sql(pair.primary) as connection:
        lsn = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()[0]
    with sql(ahead) as there:
        eventually(lambda: there.execute("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn", [lsn]).fetchone()[0])
    pair.primary.kill()
    behind.start()

    outcome = promote(
        pair.settings(behind, ahead, data_dir=tmp_path), Wanted(f"127.0.0.1:{behind.port}", confirm_fenced=True)
    )

    assert statuses(outcome)["target has received the most"] == "fail"
    assert f"127.0.0.1:{ahead.port} has" in next(step.message for step in outcome.failed)


def test_with_a_synchronous_replica_no_acknowledged_event_is_lost_and_the_old_primary_comes_back(
    make_pair, keeper, run_quadra
):
    pair = make_pair()
    replica = pair.replica("replica")
    pair.primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (replica)'")
    pair.primary.execute("SELECT pg_reload_conf()")
    acknowledged: list[str] = []
    with closing(QuadraProcess(keeper, pair.environment(replica))) as quadra:
        settings = pair.settings(replica, data_dir=quadra.directory / "data")
        eventually(
            lambda: replica_memory.recall(settings) and replica_memory.recall(settings).sync_states.get("replica")
        )
        for number in range(60):
            send(quadra, f"event-{number}")
            acknowledged.append(f"event-{number}")
            if number == 50:
                replica_memory.remember(settings)
        pair.primary.kill()
        environment = pair.environment(replica) | {"QUADRA_DATA_DIR": str(quadra.directory / "data")}
        began = time.monotonic()
        done = run_quadra(environment, "replica", "promote", f"127.0.0.1:{replica.port}", "--confirm-fenced", "--json")
        took = time.monotonic() - began
    told = json.loads(done.stdout)

    assert done.returncode == 0, (told, done.stderr)
    assert told["timeline"] == 2
    assert told["may_be_lost"]["nothing"] is True
    assert {step["name"]: step["status"] for step in told["steps"]}["probe write"] == "pass"
    assert took < 60
    with sql(replica) as there:
        stored = {row[0] for row in there.execute("SELECT event_id FROM event")}
        assert set(acknowledged) <= stored
        assert (
            there.execute("SELECT count(*) FROM audit_entry WHERE action = 'backup.replica.promoted'").fetchone()[0]
            == 1
        )

    _diverge(pair.primary)
    url = replica_url(pair.settings(), f"127.0.0.1:{replica.port}")
    back = Rejoin(pair.primary.data, url, WHO, "old", start=False)
    with pytest.raises(Conflict, match="runs"):
        rejoin(pair.settings(), back, lambda _step: None)
    pair.primary.kill()
    rejoin(pair.settings(), back, lambda _step: None)
    pair.primary.start()

    with sql(pair.primary) as old, sql(replica) as new:
        assert old.execute("SELECT pg_is_in_recovery()").fetchone()[0] is True
        assert old.execute("SELECT to_regclass('alone')").fetchone()[0] is None
        new.execute("CREATE TABLE together (x int)")
        assert eventually(lambda: old.execute("SELECT to_regclass('together')").fetchone()[0])


def _diverge(primary) -> None:
    """The old primary restarts and takes a write that nobody else has: what fencing is there to prevent."""
    primary.start()
    with sql(primary) as connection:
        connection.execute("SET synchronous_commit = local")
        connection.execute("CREATE TABLE alone (x int)")


def test_rejoin_names_what_is_wrong(make_pair, tmp_path):
    pair = make_pair()
    url = replica_url(pair.settings(), f"127.0.0.1:{pair.primary.port}")

    with pytest.raises(Invalid, match="no data directory"):
        rejoin(pair.settings(), Rejoin(tmp_path, url, WHO, "old"), lambda _step: None)
    if os.geteuid() == 0:
        (tmp_path / "PG_VERSION").write_text("15\n")
        with pytest.raises(Invalid, match="belongs to"):
            rejoin(pair.settings(), Rejoin(tmp_path, url, WHO, "old"), lambda _step: None)

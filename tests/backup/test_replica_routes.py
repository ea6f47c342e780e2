"""Replication and failover over HTTP: a running Quadra whose primary is lost."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from typing import Any

import pytest

from quadra.backup.replica import memory as replica_memory
from tests.backup.conftest import sql
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

ROOT = "/api/disaster-recovery"


def call(
    quadra: QuadraProcess, path: str, body: Any = None, key: str = "admin_key", root: str = ROOT
) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {quadra.init[key]}"}
    request = urllib.request.Request(quadra.base_url + root + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def alone(keeper):
    with closing(QuadraProcess(keeper)) as quadra:
        yield quadra


@pytest.fixture(scope="module")
def replicated(make_pair, keeper):
    with ExitStack() as stack:
        pair = make_pair()
        replica = pair.replica()
        quadra = stack.enter_context(closing(QuadraProcess(keeper, pair.environment(replica))))
        yield pair, replica, quadra


def test_without_replicas_the_answer_is_an_honest_no(alone):
    status, found = call(alone, "/replication/status")

    assert status == 200
    assert (found["replication_enabled"], found["replica_count"], found["overall_status"]) == (False, 0, "not_enabled")


def test_the_database_of_one_machine_has_a_size_and_no_replication(alone):
    status, found = call(alone, "/health/database")

    assert (status, found["overall_status"]) == (200, "healthy")
    assert found["checks"]["connection"]["latency_ms"] < 500
    assert found["checks"]["database_size"]["bytes"] > 10_000
    assert set(found["checks"]["connections"]) >= {"total", "active", "idle"}
    assert "replication" not in found["checks"]


@pytest.mark.parametrize("path", ["/replication/status", "/health/database"])
def test_only_admins_are_told(alone, path):
    status, found = call(alone, path, key="write_key")

    assert (status, found["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "target"),
        ({"target": "10.0.0.1:5432"}, "target"),
        ({"target": "x", "confirm_fenced": "yes"}, "confirm_fenced"),
    ],
)
def test_a_wrong_request_names_the_field(alone, body, field):
    status, found = call(alone, "/replication/failover", body)

    assert status == 400
    assert field in found["error"]["fields"]


def test_both_sides_are_in_the_answer(replicated):
    _pair, replica, quadra = replicated

    _, found = call(quadra, "/replication/status")
    _, health = call(quadra, "/health/database")

    assert found["replication_enabled"] is True
    assert found["replicas"][0]["state"] == "streaming"
    assert found["configured"][0]["address"] == f"127.0.0.1:{replica.port}"
    assert health["checks"]["replication"]["status"] == "healthy"
    assert health["checks"]["connections"]["total"] >= 1


def test_the_lag_is_a_metric(replicated):
    _pair, _replica, quadra = replicated

    lines = eventually(
        lambda: [line for line in metrics(quadra) if line.startswith("quadra_matrix_replication_lag_seconds ")]
    )

    assert float(lines[0].split()[1]) < 300


def metrics(quadra: QuadraProcess) -> list[str]:
    with urllib.request.urlopen(f"{quadra.base_url}/metrics", timeout=90) as answer:
        return answer.read().decode().splitlines()


def test_while_the_primary_lives_failover_is_refused_and_noted(replicated):
    pair, replica, quadra = replicated

    status, found = call(
        quadra, "/replication/failover", {"target": f"127.0.0.1:{replica.port}", "confirm_fenced": True}
    )

    assert (status, found["error"]["code"], found["promoted"]) == (409, "refused", False)
    assert "is alive" in found["error"]["message"]
    with sql(pair.primary) as connection:
        rows = connection.execute("SELECT actor FROM audit_entry WHERE action = 'backup.failover.refused'").fetchall()
    assert rows[0][0].startswith("key:")


def test_when_the_primary_is_lost_the_replica_knows_the_admin_and_is_promoted(replicated):
    """The keys lie in the database that is gone; they were replicated."""
    pair, replica, quadra = replicated
    settings = pair.settings(replica, data_dir=quadra.directory / "data")
    assert eventually(lambda: replica_memory.recall(settings)), "no worker wrote down how far the primary was"
    pair.primary.kill()
    target = {"target": f"127.0.0.1:{replica.port}", "confirm_fenced": True}

    stranger = call(quadra, "/replication/failover", target, key="write_key")
    dry = call(quadra, "/replication/failover", target | {"dry_run": True})
    unfenced = call(quadra, "/replication/failover", target | {"confirm_fenced": False})
    real = call(quadra, "/replication/failover", target)

    assert stranger[0] == 403
    assert (dry[0], dry[1]["ok"], dry[1]["promoted"]) == (200, True, False), dry
    assert unfenced[0] == 409
    assert (real[0], real[1]["promoted"], real[1]["timeline"]) == (200, True, 2), real
    with sql(replica) as connection:
        rows = connection.execute("SELECT actor FROM audit_entry WHERE action = 'backup.replica.promoted'").fetchall()
    assert rows[0][0].startswith("key:")

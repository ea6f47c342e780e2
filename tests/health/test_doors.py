"""The doors of health, on a running Quadra."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.clients import Answer, connected, make_key, make_project, send
from tests.servers import commands
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    # the cores of a CI machine may be busy with other tests for minutes: that is not what is asked here
    env = {"QUADRA_HEALTH_INTERVAL": "1s", "QUADRA_HEALTH_CPU_FAIL": "100", "QUADRA_HEALTH_DISK_FAIL": "100"}
    env |= {"QUADRA_HEALTH_DATABASE_WARN": "20s", "QUADRA_HEALTH_DATABASE_FAIL": "30s"}
    with closing(QuadraProcess(keeper, env)) as server:
        yield server


def get(quadra: QuadraProcess, path: str, key: str | None = None, **headers: str) -> Answer:
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return send(quadra, path, method="GET", key=None, **headers)


@pytest.fixture(scope="module")
def read_key(quadra: QuadraProcess) -> str:
    """Of the project in which Quadra observes itself: for whoever watches the installation."""
    make_project(quadra, name="Quadra itself", slug="quadra")
    key: str = make_key(quadra, "read", "quadra")["key"]
    return key


def test_a_started_quadra_says_so(quadra: QuadraProcess) -> None:
    answer = get(quadra, "/health/startup")
    assert (answer.status, answer.json) == (
        200,
        {"status": "started", "checks": {"migrations": "pass", "first_start": "pass"}},
    )


def test_a_viewer_sees_every_check(quadra: QuadraProcess, read_key: str) -> None:
    eventually(lambda: get(quadra, "/health/detailed", read_key).json["checks"]["workers"]["status"] == "healthy")
    answer = get(quadra, "/health/detailed", read_key)
    assert answer.status == 200
    body = answer.json
    assert set(body) == {"overall_status", "timestamp", "uptime_seconds", "checks", "system", "model"}
    assert body["overall_status"] in ("healthy", "degraded")
    assert set(body["system"]) == {"cpu_percent", "memory_percent", "disk_percent"}
    assert set(body["model"]) == {"initialized", "iterations", "version", "artifact_ok"}
    assert body["model"]["version"] is None  # nobody trained one
    assert {"database", "database_write", "connection_pool", "migrations", "modules", "backlog", "rate_limits"} <= set(
        body["checks"]
    )
    assert not {"redis", "message_queue", "ai_provider", "replication"} & set(
        body["checks"]
    )  # nothing of it is configured
    for check in body["checks"].values():
        assert set(check) == {"status", "message", "duration_ms", "details"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer qk_nobody"}])
def test_a_stranger_sees_the_verdict_only(quadra: QuadraProcess, headers: dict[str, str]) -> None:
    answer = get(quadra, "/health/detailed", **headers)
    assert answer.status == 200
    assert set(answer.json) == {"overall_status", "timestamp"}


def test_a_write_key_is_a_stranger_here(quadra: QuadraProcess) -> None:
    assert set(get(quadra, "/health/detailed", quadra.init["write_key"]).json) == {"overall_status", "timestamp"}


@pytest.mark.parametrize("scope", ["read", "admin"])
def test_a_key_of_one_project_sees_no_figures_and_no_paths_of_the_installation(
    quadra: QuadraProcess, scope: str
) -> None:
    slug = make_project(quadra)["slug"]
    keys = [make_key(quadra, scope, slug)["key"]] + [make_key(quadra, "read")["key"]] * (scope == "read")
    for key in keys:
        detailed, status = get(quadra, "/health/detailed", key), get(quadra, "/status", key)
        assert set(detailed.json) == {"overall_status", "timestamp"}
        assert status.json["analytics"] is None
        assert str(quadra.directory) not in detailed.body.decode() + status.body.decode()
        refused = get(quadra, "/metrics", key)
        assert (refused.status, refused.json["error"]["code"]) == (403, "forbidden")
        with connected(quadra, auth={"key": key}, namespace="/live", names=("health:update",)) as client:
            time.sleep(4)  # a worker looks every second here
            assert client.payloads("health:update") == []


def test_the_status_has_the_shape_that_clients_read(quadra: QuadraProcess, read_key: str) -> None:
    eventually(lambda: len(get(quadra, "/status").json["health"]["recent_checks"]) == 5)
    body = get(quadra, "/status", read_key).json
    assert {"system", "deployment", "health", "analytics"} <= set(body)
    assert set(body["system"]) == {"status", "uptime_seconds", "version"}
    assert set(body["deployment"]) == {
        "current", "status", "recovery_attempts", "total", "successful", "failed", "last_health_check",
    }  # fmt: skip
    assert set(body["analytics"]) == {"pending_deliveries", "sinks"}
    times = [one["timestamp"] for one in body["health"]["recent_checks"]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 5
    assert body["health"]["recent_checks"][0]["checks"]["database"]["status"] == "healthy"


def test_a_strangers_status_has_verdicts_and_no_details(quadra: QuadraProcess) -> None:
    body = get(quadra, "/status").json
    assert body["analytics"] is None
    assert all(set(one) == {"timestamp", "status"} for one in body["health"]["recent_checks"])
    assert {part["title"] for part in body["parts"]} >= {"Receiving and storing events", "Analysis and history"}


def test_viewers_of_the_live_namespace_are_told_what_a_worker_found(quadra: QuadraProcess, read_key: str) -> None:
    with connected(quadra, auth={"key": read_key}, namespace="/live", names=("health:update",)) as client:
        client.wait_for(lambda: len(client.payloads("health:update")) >= 2)
    first, second = client.payloads("health:update")[:2]
    assert first["timestamp"] < second["timestamp"]
    assert first["overallStatus"] in ("healthy", "degraded", "unhealthy")
    assert first["checks"]["database"]["status"] == "healthy"


def doctor(quadra: QuadraProcess, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return quadra_command(quadra, "doctor", *arguments, **env)


def quadra_command(quadra: QuadraProcess, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """With the settings of that process, some of them changed; however it ends."""
    return commands.quadra_command(*words, env={**quadra._environment(), **env}, cwd=quadra.directory, timeout=60)


def test_doctor_prints_the_same_checks_and_says_by_its_exit_code_whether_all_is_well(quadra: QuadraProcess) -> None:
    done = doctor(quadra, "--json")
    body: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert body["checks"]["database"]["status"] == "healthy"
    slow = doctor(quadra, "--json", QUADRA_HEALTH_DATABASE_WARN="0s")
    assert json.loads(slow.stdout)["checks"]["database"]["status"] == "degraded"
    done = doctor(quadra, QUADRA_HEALTH_DISK_WARN="0", QUADRA_HEALTH_DISK_FAIL="0")
    assert done.returncode == 1
    assert "unhealthy  disk" in done.stdout
    assert "Unhealthy: " in done.stdout.splitlines()[-1]


def test_doctor_says_that_nobody_works(quadra: QuadraProcess, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'quadra.db'}"
    assert quadra_command(quadra, "init", DATABASE_URL=url).returncode == 0
    done = doctor(quadra, DATABASE_URL=url)
    assert done.returncode == 1
    assert "Start `quadra worker`" in done.stdout


def test_doctor_says_what_to_do_about_an_empty_database(quadra: QuadraProcess, tmp_path: Any) -> None:
    done = doctor(quadra, DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}", QUADRA_POORT="1", ADMIN_ID="1")
    assert done.returncode == 1
    assert "QUADRA_POORT is no setting; did you mean QUADRA_PORT?" in done.stderr
    assert "ADMIN_ID does nothing here: " in done.stderr
    assert "run `quadra init`" in done.stdout
    assert "Traceback" not in done.stderr


HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


def test_a_browser_gets_a_page_with_verdicts_and_without_details(quadra: QuadraProcess) -> None:
    answer = get(quadra, "/status", Accept=HTML)
    page = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Receiving and storing events" in page
    assert "Last 24 hours" in page
    assert "database_write" not in page
    assert str(quadra.directory) not in page


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health?a=1", 200), ("/health/startup?a=1", 200), ("/status?a=1", 200), ("/health/detailed?a=1", 400)],
)
def test_probes_and_links_take_what_others_add_to_their_address(quadra: QuadraProcess, path: str, status: int) -> None:
    assert get(quadra, path).status == status

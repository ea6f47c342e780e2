"""`/metrics` of a running Quadra: what it counts, who may read it, and that a database that is away does not silence it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import socketio

from quadra.core.observing import metrics_directory
from tests.health.scraping import Scraped, get, post, scrape, send, wait_for
from tests.servers.base import free_port
from tests.servers.keeper import Keeper
from tests.servers.postgres import PostgresServer
from tests.servers.quadra import QuadraProcess
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    """One for this module: a worker beside it, small batches."""
    with closing(
        QuadraProcess(keeper, {"QUADRA_BATCH_MAX_EVENTS": "3", "QUADRA_TRUSTED_PROXIES": "127.0.0.9"}, cold=True)
    ) as server:
        yield server


def test_events_are_counted_by_what_became_of_them(quadra: QuadraProcess) -> None:
    before = scrape(quadra)
    send(quadra, {"event_id": "m-1", "event_type": "a"}, {"event_id": "m-2", "event_type": "a"}, {"nothing": 1})
    send(quadra, {"event_id": "m-1", "event_type": "a"}, {"event_id": "m-3", "event_type": "a"})
    after = scrape(quadra)

    def grown(outcome: str) -> float:
        labels = {"outcome": outcome, "door": "http"}
        return (after.get("events_total", **labels) or 0) - (before.get("events_total", **labels) or 0)

    assert (grown("stored"), grown("duplicate"), grown("refused")) == (3, 1, 1)
    assert (after.get("flush_size_sum") or 0) - (before.get("flush_size_sum") or 0) == 4
    assert (after.get("event_ack_duration_seconds_count") or 0) >= 2


def test_refusals_are_counted_by_step_and_code(quadra: QuadraProcess) -> None:
    before = scrape(quadra)
    send(quadra, {"event_type": "a", "timestamp": "1999-01-01T00:00:00Z"}, {"nothing": 1}, None)
    key = {"X-Quadra-Key": quadra.init["write_key"]}
    assert post(quadra, "/api/events", {"event_type": "a"}, {"X-Quadra-Key": "qk_none"})[0] == 401
    for path in ("/api/events", "/v1/batch", "/batch/"):
        assert post(quadra, path, "no batch", key)[0] == 400
    client = socketio.SimpleClient()
    client.connect(quadra.base_url, auth={"key": quadra.init["write_key"]}, transports=["websocket"])
    try:
        assert client.call("user:event", {"eventType": "a"})["code"] == "invalid"
    finally:
        client.disconnect()
    after = scrape(quadra)

    def grown(step: str, code: str) -> float:
        labels = {"step": step, "code": code}
        return (after.get("refusals_total", **labels) or 0) - (before.get("refusals_total", **labels) or 0)

    assert (grown("time", "clock"), grown("shape", "invalid")) == (1, 1)
    assert (grown("decode", "invalid"), grown("identity", "invalid")) == (1, 1)
    assert (grown("key", "unauthorised"), grown("body", "invalid"), grown("body", "encoding")) == (1, 2, 1)


def test_a_request_is_counted_under_its_route_and_never_under_its_path(quadra: QuadraProcess) -> None:
    key = {"Authorization": f"Bearer {quadra.init['admin_key']}"}
    get(quadra, "/api/admin/batches/no-such-batch-zebra", key)
    get(quadra, "/somebody/typed/this-zebra")
    post(quadra, "/api/admin/dead-letter-queue/zebra-x/requeue", {}, key)
    send(quadra, {"event_type": "a"})
    found = scrape(quadra)
    assert "zebra" not in found.text
    endpoints = found.labels("http_requests_total", "endpoint")
    assert {"unmatched", "/api/events", "/api/admin/dead-letter-queue/<job_id>/requeue"} <= endpoints
    assert found.get("http_requests_total", method="GET", endpoint="unmatched", status="404")
    assert found.get("http_request_duration_seconds_count", method="POST", endpoint="/api/events")


def test_jobs_that_the_worker_beside_it_did_are_shown(quadra: QuadraProcess) -> None:
    send(quadra, *({"event_type": "a"} for _ in range(7)))

    def analysed(found: Scraped) -> bool:
        return (
            bool(found.get("insights_total", analyst="local"))
            and bool(found.get("batches", status="ANALYZED"))
            and bool(found.get("job_duration_seconds_count", kind="analyse"))
        )

    found = wait_for(quadra, analysed)
    assert found.get("job_claim_latency_seconds_count")
    wait_for(quadra, lambda found: bool(found.get("jobs", kind="analyse", state="SUCCESS")))
    assert found.get("dead_letters") == 0


def test_a_worker_that_is_killed_takes_no_count_with_it(quadra: QuadraProcess) -> None:
    """A counter that falls looks to Prometheus like a restart, and everything would be counted again."""
    send(quadra, *({"event_type": "a"} for _ in range(4)))
    before = wait_for(quadra, lambda found: bool(found.get("insights_total", analyst="local")))
    (worker,) = (child for child in psutil.Process(quadra.pid).children() if "worker" in child.cmdline())
    directory = Path(worker.environ()[metrics_directory.DIRECTORY])
    files = {file.name for file in directory.iterdir()}
    worker.send_signal(signal.SIGKILL)
    worker.wait(90)
    send(quadra, *({"event_type": "a"} for _ in range(4)))
    count = before.get("insights_total", analyst="local") or 0
    seen = [count]
    end = time.monotonic() + PATIENCE_SECONDS
    while seen[-1] <= count and time.monotonic() < end:
        seen.append(scrape(quadra).get("insights_total", analyst="local") or 0)
        time.sleep(0.2)
    assert seen == sorted(seen)
    assert seen[-1] > count
    # the next one goes on in the files of the one before: each would leave its own behind, to be read at every scrape
    assert {file.name for file in directory.iterdir()} == files


def test_socket_messages_and_connections_are_counted(quadra: QuadraProcess) -> None:
    client = socketio.SimpleClient()
    before = scrape(quadra)
    client.connect(quadra.base_url, auth={"key": quadra.init["write_key"]}, transports=["websocket"])
    try:
        for n in range(3):
            event = {"eventId": f"ws-{n}", "eventType": "a", "userId": "u"}
            assert client.call("user:event", event)["eventId"] == f"ws-{n}"
        client.call("user:events", [{"eventId": "ws-9", "eventType": "a", "userId": "u"}, None])
        client.call("who knows", {})
        found = scrape(quadra)
        assert found.get("websocket_connections") == 1
    finally:
        client.disconnect()

    def grown(event: str, direction: str) -> float:
        labels = {"event": event, "direction": direction}
        return (found.get("websocket_messages_total", **labels) or 0) - (
            before.get("websocket_messages_total", **labels) or 0
        )

    assert (grown("user:event", "in"), grown("user:events", "in"), grown("other", "in")) == (3, 1, 1)
    assert grown("ack", "out") == 5
    assert found.get("events_total", outcome="stored", door="socket") == 4
    assert "who knows" not in found.text


def test_statements_are_counted_by_table(quadra: QuadraProcess) -> None:
    send(quadra, {"event_type": "a"})
    found = scrape(quadra)
    assert found.get("database_operations_total", operation="insert", table="event")
    assert found.get("database_operation_duration_seconds_count", operation="insert")


def test_a_question_is_timed_under_its_lens(quadra: QuadraProcess) -> None:
    key = {"Authorization": f"Bearer {quadra.init['admin_key']}"}
    assert get(quadra, "/api/analytics/trends", key)[0] == 200
    assert scrape(quadra).get("query_duration_seconds_count", lens="trends") == 1


def test_a_series_can_be_asked_for_by_name(quadra: QuadraProcess) -> None:
    _, text = get(quadra, "/metrics?name[]=quadra_matrix_database_up&name[]=quadra_matrix_events_total")
    assert Scraped(text).names <= {"quadra_matrix_database_up", "quadra_matrix_events_total"}
    assert Scraped(text).get("database_up") == 1


CONTRACT = """http_requests_total http_request_duration_seconds websocket_connections websocket_messages_total
    database_operations_total database_operation_duration_seconds errors_total app_info events_total refusals_total
    event_ack_duration_seconds writer_queue_depth flush_size batches jobs job_claim_latency_seconds
    job_duration_seconds dead_letters breaker_state
    insights_total segment_rows query_duration_seconds ai_requests_total ai_tokens_total ai_cost_usd_total
    backup_last_success_timestamp_seconds backup_last_verified_restore_timestamp_seconds replication_lag_seconds
    redis_subscription_age_seconds"""


def test_every_name_of_the_contract_is_declared_before_anything_happened(keeper: Keeper) -> None:
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"))) as server:
        text = get(server, "/metrics")[1]
    declared = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(declared) == len(set(declared))
    assert {f"quadra_matrix_{name}" for name in CONTRACT.split()} <= set(declared)


def test_strangers_need_a_read_key(quadra: QuadraProcess) -> None:
    """127.0.0.9 is the proxy that is trusted; what another proxy forwards is not from this machine."""
    through_proxy = {"X-Forwarded-For": "203.0.113.7"}
    assert get(quadra, "/metrics", through_proxy)[0] == 403
    assert get(quadra, "/metrics", {"X-Forwarded-For": "127.0.0.1"})[0] == 403, "a made up header opens nothing"
    assert get(quadra, "/metrics", {**through_proxy, "Authorization": "Bearer qk_made_up"})[0] == 401
    write = {**through_proxy, "Authorization": f"Bearer {quadra.init['write_key']}"}
    assert get(quadra, "/metrics", write)[0] == 403
    read = {**through_proxy, "Authorization": f"Bearer {quadra.init['admin_key']}"}
    assert get(quadra, "/metrics", read)[0] == 200


def test_networks_of_the_setting_need_none_and_the_clients_address_counts(keeper: Keeper) -> None:
    env = {"QUADRA_METRICS_ALLOW": "203.0.113.0/24", "QUADRA_TRUSTED_PROXIES": "127.0.0.1"}
    with closing(QuadraProcess(keeper, env, command=("serve", "--no-worker"))) as server:
        assert get(server, "/metrics", {"X-Forwarded-For": "203.0.113.7"})[0] == 200
        assert get(server, "/metrics", {"X-Forwarded-For": "198.51.100.7"})[0] == 403
        assert get(server, "/metrics", {"X-Forwarded-For": "127.0.0.1, 198.51.100.7"})[0] == 403
        assert get(server, "/metrics")[0] == 200


def test_a_worker_by_itself_shows_its_counters_on_a_port_of_its_own(quadra: QuadraProcess) -> None:
    port = free_port()
    env = {**quadra._environment(), "QUADRA_WORKER_METRICS_PORT": str(port)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "quadra", "worker"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=90) as answer:
                    found = Scraped(answer.read().decode())
                break
            except OSError:
                assert time.monotonic() < end
                assert worker.poll() is None
                time.sleep(0.2)
        assert found.get("job_claim_latency_seconds_count") is not None
        assert "process_resident_memory_bytes" in found.names
    finally:
        worker.terminate()
        worker.wait(90)


def test_metrics_answer_while_the_database_hangs_and_is_gone(keeper: Keeper) -> None:
    with closing(PostgresServer(keeper)) as postgres:
        env = {"DATABASE_URL": postgres.database()}
        with closing(QuadraProcess(keeper, env, command=("serve", "--no-worker"))) as server:
            wait_for(server, lambda found: found.get("database_up") == 1)
            time.sleep(5.5)  # what was read a moment ago is still shown
            postgres.pause()
            found = scrape(server)  # within its own time; the database answers nothing before it goes on
            assert found.get("database_up") == 0
            assert found.get("batches", status="OPEN") is None, "a number that nobody could read is not shown"
            assert found.get("writer_queue_depth") == 0
            assert get(server, "/health")[0] == 200
            postgres.resume()
            postgres.kill()
            found = wait_for(server, lambda found: found.get("database_up") == 0)
            assert any(name == "quadra_matrix_errors_total" for name, _ in found.samples)
            key = {"Authorization": f"Bearer {server.init['admin_key']}"}
            assert get(server, "/metrics", key)[0] == 200, "this machine needs no key, so a good one must not hurt"
            assert get(server, "/metrics", {**key, "X-Forwarded-For": "203.0.113.7"})[0] == 503
            postgres.start()
            wait_for(server, lambda found: found.get("database_up") == 1)

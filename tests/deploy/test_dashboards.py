"""Grafana cannot run here: Prometheus itself parses each expression, and each name in one is looked for on a real /metrics."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import socketio
import yaml

from tests.health.scraping import get, scrape, send, wait_for
from tests.insights.fake_llm import FakeLlm
from tests.servers.keeper import Keeper
from tests.servers.prometheus import PrometheusServer
from tests.servers.quadra import QuadraProcess
from tests.sinks.kafka_cluster import kafka_cluster
from tests.waiting import eventually

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
ELSEWHERE = {
    "quadra_matrix_model_drift": "needs a trained version",
    "quadra_matrix_redis_subscription_age_seconds": "needs Redis",
    "quadra_matrix_redis_up": "needs Redis",
    "quadra_matrix_replication_lag_seconds": "needs a replica of PostgreSQL",
}
"""Names that this test's Quadra cannot show; tests of their own rooms do."""


def expressions() -> Iterator[tuple[str, str]]:
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]
    rules = yaml.safe_load((GRAFANA.parent / "prometheus" / "rules" / "quadra.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        yield f"alert {rule['alert']}", rule["expr"]


def test_there_are_the_four_dashboards_and_no_two_panels_in_one_place() -> None:
    assert [path.stem for path in DASHBOARDS] == ["ai-cost", "overview", "pipeline", "system"]
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, f"{path.stem}: {panel['title']} lies over another"
            assert at["x"] + at["w"] <= 24
            taken |= cells


def test_what_is_provisioned_is_there() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/quadra.yml").read_text())["datasources"]
    assert {source["type"] for source in sources} == {"prometheus", "loki"}
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/quadra.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


@pytest.fixture(scope="module")
def busy(keeper: Keeper) -> Iterator[QuadraProcess]:
    """A Quadra that has done a little of everything, its LLM a fake one and its sink a mock of Kafka."""
    with FakeLlm() as llm, kafka_cluster() as kafka:
        env = {
            "QUADRA_BATCH_MAX_EVENTS": "3",
            "QUADRA_KAFKA_BROKERS": kafka.brokers,
            "QUADRA_LLM_BASE_URL": llm.url,
            "QUADRA_LLM_API_KEY": "none",
            "QUADRA_LLM_MODEL": "fake",
            "QUADRA_LLM_PROMPT_USD_PER_MILLION": "1",
        }
        with closing(QuadraProcess(keeper, env)) as server:
            server.run("backup", "take", "--kind", "database", "--json")  # stores are looked at once a minute
            send(server, *({"event_type": "a", "user_id": f"u{n}"} for n in range(7)), {"nothing": 1})
            get(server, "/api/analytics/trends", {"Authorization": f"Bearer {server.init['admin_key']}"})
            client = socketio.SimpleClient()
            client.connect(server.base_url, auth={"key": server.init["write_key"]}, transports=["websocket"])
            client.call("user:event", {"eventId": "s-1", "eventType": "a", "userId": "u"})
            client.disconnect()
            wait_for(server, lambda found: bool(found.get("ai_requests_total", model="fake", status="success")))
            wait_for(server, lambda found: found.get("breaker_state", name="llm") is not None)
            wait_for(server, lambda found: found.get("health_check", check="segments") is not None)
            wait_for(server, lambda found: bool(found.get("backup_last_success_timestamp_seconds", kind="database")))
            yield server


def test_every_name_in_an_expression_is_shown_by_a_running_quadra(busy: QuadraProcess) -> None:
    shown = scrape(busy).names | {"up"}
    for where, expression in expressions():
        for name in set(re.findall(r"\b(?:quadra_matrix|process)_[a-z_]+|\bup\b", expression)) - ELSEWHERE.keys():
            # a labelled counter of errors is absent until there was one
            assert name in shown or name == "quadra_matrix_errors_total", f"{where}: {name}"


def test_prometheus_parses_and_answers_every_expression(busy: QuadraProcess, keeper: Keeper) -> None:
    config = f"""
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs: [{{job_name: quadra, static_configs: [{{targets: ["127.0.0.1:{busy.port}"]}}]}}]
"""
    try:
        prometheus = PrometheusServer(keeper, config=config)
    except Exception as reason:
        if type(reason).__name__ != "NotAvailable":
            raise
        pytest.skip(f"Prometheus is not available here: {reason}")
    with closing(prometheus):
        eventually(lambda: _ask(prometheus, "count_over_time(quadra_matrix_database_up[2m]) > 2"), every=0.5)
        for where, expression in expressions():
            _ask(prometheus, expression, where)
        for expression, wanted in (
            ("max(quadra_matrix_dead_letters)", "0"),
            ('sum(quadra_matrix_events_total{outcome="stored",door="http"})', "7"),
        ):  # nothing is there for a moment where a busy machine was too slow for one scrape
            (found,) = eventually(lambda expression=expression: _ask(prometheus, expression), every=0.5)
            assert found["value"][1] == wanted


def _ask(prometheus: PrometheusServer, expression: str, where: str = "") -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{prometheus.base_url}/api/v1/query?{query}", timeout=90) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found
    except urllib.error.HTTPError as answer:
        with answer:
            raise AssertionError(f"{where}: {expression}\n{answer.read().decode()}") from None

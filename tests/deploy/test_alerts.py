"""The alert rules: each has a test of its own, and one goes all the way from a running Quadra to whoever is on call."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
import yaml

from tests.health.scraping import get, send
from tests.servers import available
from tests.servers.available import NotAvailable
from tests.servers.keeper import Keeper
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import AlertmanagerServer, PrometheusServer
from tests.servers.quadra import QuadraProcess

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules" / "quadra.yml").read_text())["groups"][0]["rules"]


def promtool(*arguments: str | Path) -> str:
    try:
        program = available.promtool()
    except NotAvailable as reason:
        pytest.skip(f"Prometheus is not available here: {reason}")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")
    promtool("check", "rules", PROMETHEUS / "rules" / "quadra.yml")


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", PROMETHEUS / "tests" / "alerts.yml")
    cases = {case["name"] for case in yaml.safe_load((PROMETHEUS / "tests" / "alerts.yml").read_text())["tests"]}
    assert cases == {f"{rule['alert']} {what}" for rule in RULES for what in ("fires", "stays quiet")}


def test_each_alert_leads_to_a_page_of_what_to_do() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", text, re.MULTILINE)}
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/observability.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in headings


class Receiver:
    """Whoever is on call: takes what Alertmanager posts."""

    def __init__(self) -> None:
        self.alerts: Queue[dict[str, Any]] = Queue()
        alerts = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    alerts.put(alert)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with closing(Receiver()) as receiver:
        yield receiver


def test_a_database_that_is_gone_wakes_somebody(keeper: Keeper, receiver: Receiver, start_server: Any) -> None:
    """A real Prometheus scrapes a real Quadra; its rule, with a shorter patience, reaches a real Alertmanager."""
    config = f"""
route: {{receiver: people, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: people, webhook_configs: [{{url: "{receiver.url}"}}]}}]
"""
    alertmanager = start_server(AlertmanagerServer, config=config)
    postgres = start_server(PostgresServer)
    env = {"DATABASE_URL": postgres.database()}
    with closing(QuadraProcess(keeper, env, command=("serve", "--no-worker"))) as quadra:
        rules = (PROMETHEUS / "rules" / "quadra.yml").read_text()
        prometheus = start_server(
            PrometheusServer,
            files={"quadra.yml": re.sub(r"for: \w+", "for: 0s", rules)},
            config=f"""
global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}}
rule_files: [quadra.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager.port}"]}}]}}]}}
scrape_configs: [{{job_name: quadra, static_configs: [{{targets: ["127.0.0.1:{quadra.port}"]}}]}}]
""",
        )
        send(quadra, {"event_type": "a"})
        postgres.kill()
        alert = _next(receiver, "QuadraDatabaseDown", "firing", prometheus)
        assert alert["labels"]["severity"] == "critical"
        assert alert["annotations"]["summary"] == "The database does not answer."
        assert alert["annotations"]["runbook"].endswith("#quadradatabasedown")
        assert get(quadra, "/health")[0] == 200
        postgres.start()
        _next(receiver, "QuadraDatabaseDown", "resolved", prometheus)


def _next(receiver: Receiver, name: str, status: str, prometheus: PrometheusServer) -> dict[str, Any]:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            alert = receiver.alerts.get(timeout=2)
        except Empty:
            continue
        if (alert["labels"]["alertname"], alert["status"]) == (name, status):
            return alert
    raise AssertionError(f"no alert {name} ({status}) within 90 s\n{prometheus.log()[-3000:]}")

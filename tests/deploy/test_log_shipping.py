"""Log files on their way: a real shipper takes them to a fake Elasticsearch; of those that cannot run here the configuration
is parsed, and every field it names stands in a real line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.health.scraping import get, send
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.servers.rsyslog import RsyslogServer
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "deploy" / "logs"
PATH = "/var/log/quadra/all-*.log"
SERVED = "http.request.served"
WRITTEN = "ingest.events.written"


class FakeElasticsearch:
    """Takes `POST /_bulk` and keeps the documents by index. No more of Elasticsearch than that."""

    def __init__(self) -> None:
        self.documents: list[tuple[str, dict[str, Any]]] = []
        documents = self.documents

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                lines = [json.loads(line) for line in raw.splitlines() if line.strip()]
                for action, document in zip(lines[::2], lines[1::2], strict=True):
                    documents.append((next(iter(action.values()))["_index"], document))
                self._send({"took": 1, "errors": False, "items": [{"index": {"status": 201}} for _ in lines[::2]]})

            def do_GET(self) -> None:
                self._send({"version": {"number": "8.15.3"}})

            def do_HEAD(self) -> None:
                self._send({})

            def log_message(self, *_: Any) -> None:
                pass

            def _send(self, answer: Any) -> None:
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def logging_quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    """With log files in a directory that everybody may read."""
    with closing(QuadraProcess(keeper, {"QUADRA_LOGS_DIR": "logs", "QUADRA_BATCH_MAX_EVENTS": "2"})) as server:
        server.directory.chmod(0o755)
        yield server


@pytest.fixture(scope="module")
def lines(logging_quadra: QuadraProcess) -> list[dict[str, Any]]:
    """What stands in the files after a little of everything."""
    key = {"Authorization": f"Bearer {logging_quadra.init['admin_key']}", "X-Request-ID": "look-for-me"}
    send(logging_quadra, {"event_type": "a"}, {"event_type": "b"})
    assert get(logging_quadra, "/api/analytics/trends?project=default&event=hunter22", key)[0] == 200
    assert get(logging_quadra, "/api/keys?password=hunter22", key)[0] == 400
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [
            json.loads(line)
            for path in (logging_quadra.directory / "logs").glob("all-*.log")
            for line in path.read_text().splitlines()
        ]
        words = [line["event"] for line in found]
        if {line["process"] for line in found} == {"web", "worker"} and words.count(SERVED) > 1 and WRITTEN in words:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.2)


def test_a_request_can_be_found_by_its_id_with_who_asked_and_how_long_it_took(lines: list[dict[str, Any]]) -> None:
    found = [line for line in lines if line.get("request_id") == "look-for-me" and line["event"] == SERVED]
    assert [line["path"] for line in found] == ["/api/analytics/trends", "/api/keys"]
    first = found[0]
    assert (first["method"], first["status"], first["project"]) == ("GET", 200, "default")
    assert first["user"].startswith("key:qk_")
    assert first["duration_ms"] > 0
    assert first["environment"] == "development"


def test_ingest_has_a_line_for_many_flushes_and_none_for_a_request(lines: list[dict[str, Any]]) -> None:
    assert any(line["event"] == WRITTEN and line["events"] == 2 for line in lines)
    assert not any(line.get("path") == "/api/events" for line in lines)


def test_no_key_and_no_query_stands_in_the_files(logging_quadra: QuadraProcess, lines: list[dict[str, Any]]) -> None:
    text = json.dumps(lines) + logging_quadra.log().split("Ctrl-C", 1)[-1]
    for secret in ("admin_key", "write_key", "admin_password"):
        assert logging_quadra.init[secret] not in text
    assert "hunter22" not in text


def test_rsyslog_takes_every_line_to_a_fake_elasticsearch(
    logging_quadra: QuadraProcess, lines: list[dict[str, Any]], start_server: Any
) -> None:
    with closing(FakeElasticsearch()) as elasticsearch:
        config = (LOGS / "rsyslog" / "quadra.conf").read_text()
        for ours, here in (
            (PATH, str(logging_quadra.directory / "logs" / "all-*.log")),
            ('server="elasticsearch"', 'server="127.0.0.1"'),
            ('serverport="9200"', f'serverport="{elasticsearch.port}"'),
        ):
            assert config.count(ours) == 1
            config = config.replace(ours, here)
        rsyslog = start_server(RsyslogServer, config=config)
        end = time.monotonic() + PATIENCE_SECONDS
        while len(elasticsearch.documents) < len(lines) and time.monotonic() < end:
            time.sleep(0.2)
        shipped = [document for _, document in elasticsearch.documents]
        missing = [line for line in lines if line not in shipped]
        assert not missing, rsyslog.log()
        assert all(re.fullmatch(r"quadra-\d{4}\.\d\d\.\d\d", index) for index, _ in elasticsearch.documents)
        get(logging_quadra, "/shipped/later")
        while not any(document.get("path") == "unmatched" for _, document in elasticsearch.documents):
            assert time.monotonic() < end + PATIENCE_SECONDS, rsyslog.log()
            time.sleep(0.2)


def fields(lines: list[dict[str, Any]]) -> set[str]:
    return {name for line in lines for name in line}


def test_logstash_names_only_fields_that_exist(lines: list[dict[str, Any]]) -> None:
    text = (LOGS / "logstash" / "pipeline" / "quadra.conf").read_text()
    code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE))
    assert code.count("{") == code.count("}")
    assert code.count("[") == code.count("]")
    assert re.findall(r"^(\w+) \{", text, re.MULTILINE) == ["input", "filter", "output"]
    named = set(re.findall(r"\[quadra\]\[(\w+)\]", text))
    assert len(named) > 10
    assert named <= fields(lines)
    assert PATH in text


def test_promtail_and_alloy_name_only_fields_that_exist(lines: list[dict[str, Any]]) -> None:
    promtail = yaml.safe_load((LOGS / "promtail" / "promtail.yml").read_text())["scrape_configs"][0]
    stages = {name: stage for entry in promtail["pipeline_stages"] for name, stage in entry.items()}
    expressions = stages["json"]["expressions"]
    assert promtail["static_configs"][0]["labels"]["__path__"] == PATH
    assert set(expressions.values()) <= fields(lines)
    assert set(stages["labels"]) <= expressions.keys()
    alloy = re.sub(r"//.*", "", (LOGS / "alloy" / "config.alloy").read_text().replace("://", ":"))
    assert alloy.count("{") == alloy.count("}")
    (named,) = re.findall(r"stage\.json \{\s*expressions = \{(.*?)\}", alloy, re.DOTALL)
    assert dict(re.findall(r'"(\w+)" = "(\w+)"', named)) == expressions
    assert PATH in alloy


def test_fluentd_and_fluent_bit_name_only_fields_that_exist(lines: list[dict[str, Any]]) -> None:
    fluentd = (LOGS / "fluentd" / "fluent.conf").read_text()
    opened = re.findall(r"^\s*<(\w+)", fluentd, re.MULTILINE)
    assert opened == ["source", "parse", "match", "buffer"]
    assert sorted(opened) == sorted(re.findall(r"^\s*</(\w+)>", fluentd, re.MULTILINE))
    bit = "".join((LOGS / "fluent-bit" / name).read_text() for name in ("fluent-bit.conf", "parsers.conf"))
    assert re.findall(r"^\[(\w+)\]", bit, re.MULTILINE) == ["SERVICE", "INPUT", "OUTPUT", "PARSER"]
    keys = set(re.findall(r"(?im)^\s*time_key\s+(\w+)", fluentd + bit))
    assert keys == {"timestamp"}
    assert keys <= fields(lines)
    for text in (fluentd, bit):
        assert PATH in text
    assert re.search(r"Parser\s+quadra", bit)
    time.strptime(lines[0]["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")


def test_configurations_are_written_for_other_paths_and_addresses(tmp_path: Path) -> None:
    options = ["--logs", "/srv/q", "--elasticsearch", "es.example:9243", "--loki", "https://loki.example"]
    script = ROOT / "scripts" / "configure_log_shipping.py"
    subprocess.run([sys.executable, "-S", script, tmp_path, *options], check=True, capture_output=True)
    written = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    assert {file.relative_to(tmp_path).parts[0] for file in written} == {one.name for one in LOGS.iterdir()} - {"loki"}
    for file, text in written.items():
        assert not re.search(r"/var/log/quadra|elasticsearch:9200|loki:3100|9200", text), file
    assert "/srv/q/all-*.log" in written[tmp_path / "promtail" / "promtail.yml"]
    assert "host es.example\n  port 9243" in written[tmp_path / "fluentd" / "fluent.conf"]


@pytest.mark.parametrize("name", ["docker-compose.elk.yml", "docker-compose.loki.yml"])
def test_a_compose_file_mounts_files_that_exist_and_logs_that_services_write(name: str) -> None:
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found = yaml.safe_load((ROOT / name).read_text())
    writers = {
        service for service, given in found["services"].items() if "QUADRA_LOGS_DIR" in given.get("environment", {})
    }
    assert writers == {service for service in base["services"] if service.startswith("web") or service == "worker"}
    for service, given in found["services"].items():
        for mount in given.get("volumes", ()):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in found["volumes"], (
                f"{service}: {mount}"
            )
        for needed in given.get("depends_on", ()):
            assert needed in {**base["services"], **found["services"]}
        assert service in base["services"] or ":latest" not in given["image"]


def test_every_service_that_is_scraped_or_asked_is_in_a_compose_file() -> None:
    services: set[str] = set()
    for name in ("docker-compose.yml", "docker-compose.loki.yml"):
        services |= yaml.safe_load((ROOT / name).read_text())["services"].keys()
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    targets = [
        target for job in config["scrape_configs"] for entry in job["static_configs"] for target in entry["targets"]
    ]
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/quadra.yml").read_text())["datasources"]
    asked = {target.split(":")[0] for target in targets} | {
        source["url"].split("/")[2].split(":")[0] for source in sources
    }
    assert {"web-a", "web-b", "worker", "prometheus", "loki"} <= asked <= services


def test_the_samples_of_the_documentation_ask_for_fields_that_exist(lines: list[dict[str, Any]]) -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    (table,) = re.findall(r"### Searching logs\n(.*?)\n## ", text, re.DOTALL)
    queries = re.findall(r"`([^`]+)`", table)
    assert len(queries) > 8
    others = {
        "job",
        "exception_type",
        "kind",
        "component",
    }  # a label of Loki's, and fields of lines that only trouble makes
    for name in re.findall(r"\b(\w+)\s?(?::|=~|=|>=|>)\s?[\"\w]", " ".join(queries)):
        assert name in fields(lines) | others, name

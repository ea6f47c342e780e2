"""Read `/metrics` as Prometheus does."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.servers.quadra import QuadraProcess
from tests.waiting import PATIENCE_SECONDS

Sample = tuple[str, frozenset[tuple[str, str]]]


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str):
        self.text = text
        self.samples: dict[Sample, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} stands there twice"
                self.samples[key] = sample.value

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def get(self, name: str, /, **labels: str) -> float | None:
        return self.samples.get((f"quadra_matrix_{name}", frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        found = (dict(labels) for sample, labels in self.samples if sample == f"quadra_matrix_{name}")
        return {labels[label] for labels in found}


def scrape(server: QuadraProcess) -> Scraped:
    return Scraped(get(server, "/metrics")[1])


def get(server: QuadraProcess, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    return _ask(urllib.request.Request(server.base_url + path, headers=dict(headers or {})))


def post(server: QuadraProcess, path: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    data = json.dumps(body).encode()
    return _ask(urllib.request.Request(server.base_url + path, data=data, headers=dict(headers or {})))


def send(server: QuadraProcess, *events: Any) -> dict[str, Any]:
    status, text = post(server, "/api/events", list(events), {"X-Quadra-Key": server.init["write_key"]})
    assert status == 200, text
    found: dict[str, Any] = json.loads(text)
    return found


def wait_for(server: QuadraProcess, shown: Callable[[Scraped], bool], seconds: float = PATIENCE_SECONDS) -> Scraped:
    """Scrape until it shows that; what lies in the database is read anew every five seconds."""
    end = time.monotonic() + seconds
    while True:
        found = scrape(server)
        if shown(found):
            return found
        assert time.monotonic() < end, f"not shown within {seconds} s:\n{found.text}\n{server.log()[-2000:]}"
        time.sleep(0.3)


def _ask(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()

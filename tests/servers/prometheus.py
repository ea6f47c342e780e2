"""A real Prometheus and a real Alertmanager, as Debian packages them."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.servers.available import alertmanager, prometheus
from tests.servers.base import Server
from tests.servers.keeper import Keeper


class PrometheusServer(Server):
    name = "Prometheus"

    def __init__(self, keeper: Keeper, *, config: str, files: dict[str, str] | None = None):
        """`files` (name -> text) lie beside the configuration."""
        self.program = prometheus()
        self._files = {"prometheus.yml": config, **(files or {})}
        super().__init__(keeper)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _create(self) -> None:
        for name, text in self._files.items():
            (self.directory / name).write_text(text)
            (self.directory / name).chmod(0o644)
        data = self.directory / "data"
        data.mkdir()
        self._own(data)

    def _command(self) -> list[str]:
        return [
            str(self.program),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def _probe(self) -> None:
        with urllib.request.urlopen(f"{self.base_url}/-/ready", timeout=3) as answer:
            assert answer.status == 200


class AlertmanagerServer(Server):
    name = "Alertmanager"

    def __init__(self, keeper: Keeper, *, config: str):
        self.program: Path = alertmanager()
        self._config = config
        super().__init__(keeper)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _create(self) -> None:
        (self.directory / "alertmanager.yml").write_text(self._config)
        (self.directory / "alertmanager.yml").chmod(0o644)
        data = self.directory / "data"
        data.mkdir()
        self._own(data)

    def _command(self) -> list[str]:
        return [
            str(self.program),
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def _probe(self) -> None:
        with urllib.request.urlopen(f"{self.base_url}/-/ready", timeout=3) as answer:
            assert answer.status == 200

"""Real balancers with the configurations that deploy/ ships: only addresses and the port are other ones."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.servers.available import haproxy, nginx
from tests.servers.base import Server
from tests.servers.keeper import Keeper
from tests.servers.quadra import TOP


class Balancer(Server):
    """`replicas`: name in the configuration (web-a, web-b) -> port on this machine."""

    def __init__(self, keeper: Keeper, replicas: Mapping[str, int]):
        self._replicas = dict(replicas)
        self.program = self._find()
        super().__init__(keeper)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _find(self) -> Path:
        raise NotImplementedError

    def _create(self) -> None:
        self.as_nobody = True

    def _shipped(self, name: str) -> str:
        text = (TOP / "deploy" / name).read_text()
        for replica, port in self._replicas.items():
            text, count = re.subn(rf"(?<=\s){replica}:5000", f"127.0.0.1:{port}", text)
            assert count == 2, replica
        return text

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        self._own(path)
        return path

    def _probe(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            pass


class HaproxyServer(Balancer):
    name = "HAProxy"

    def _find(self) -> Path:
        return haproxy()

    def _command(self) -> list[str]:
        text = self._shipped("haproxy/haproxy.cfg").replace("bind :8080", f"bind 127.0.0.1:{self.port}")
        text = text.replace(
            "local0 notice", "local0 info"
        )  # every request, as an operator who looks for something sets it
        return [str(self.program), "-db", "-f", str(self._write("haproxy.cfg", text))]


class NginxServer(Balancer):
    name = "nginx"

    def _find(self) -> Path:
        return nginx()

    def _command(self) -> list[str]:
        text = self._shipped("nginx/quadra.conf").replace("listen 8080", f"listen 127.0.0.1:{self.port}")
        text = text.replace("/var/log/nginx/access.log", "/dev/stderr")
        paths = "".join(
            f"{name}_temp_path {self.directory}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = (
            f"daemon off; pid {self.directory}/nginx.pid; error_log stderr warn; worker_processes 1;"
            f"events {{ worker_connections 2048; }} http {{ access_log off; {paths} {text} }}"
        )
        return [str(self.program), "-p", str(self.directory), "-c", str(self._write("nginx.conf", whole))]

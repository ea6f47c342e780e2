"""HAProxy or nginx before the replicas, with the configurations of deploy/: only port and addresses are other ones.

Both are told of new replicas without losing a request. HAProxy is told over its own socket: a reload leaves clients that keep
their connections with a process that knows only the old replicas. nginx has no such socket and is reloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from quadra.core.durable import write_whole
from quadra.core.errors import Misconfigured, QuadraError
from quadra.rollout.place import Place, Plan

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SPARE_SLOTS = 4
CHECK_SECONDS = 30


class Routes(NamedTuple):
    """Slot -> port of the replica there."""

    serving: dict[int, int]
    leaving: dict[int, int]
    """Replicas that served and are about to end. The Socket.IO sessions that they began still come to them, or a polling client
    is told by another replica that it is unknown, before its own one can say `server:reconnect`."""


class BalancerError(QuadraError):
    """The balancer did not take what it was told."""

    code = "network"


class Balancer(ABC):
    """One balancer: its configuration in the directory, and how it is started and told."""

    program: str
    file: str

    def __init__(self, place: Place, plan: Plan):
        self._place = place
        self._plan = plan
        self._path = place.root / self.file
        self.slots = range(2 * plan.replicas + SPARE_SLOTS)
        """Enough for two releases beside each other."""

    def find(self) -> str:
        found = shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found is None:
            raise Misconfigured(f"There is no {self.program} on this machine. Install it, then watch again.")
        return found

    def prepare(self, routes: Routes) -> None:
        """Check a configuration for these routes and put it in place. Raises `BalancerError`; the old one stays then."""
        trial = self._path.with_name(f"trial-{self.file}")
        write_whole(trial, self.text(routes).encode())
        done = subprocess.run(
            self.check(trial), cwd=self._place.root, capture_output=True, timeout=CHECK_SECONDS, check=False
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise BalancerError(f"{self.program} does not take {trial}: {said}")
        trial.replace(self._path)

    def route(self, routes: Routes, pid: int) -> None:
        """Send requests to the replicas that serve from now on, and to those that leave what only they can answer."""
        self.prepare(routes)
        self.tell(routes, pid)

    @abstractmethod
    def text(self, routes: Routes) -> str: ...

    @abstractmethod
    def check(self, path: Path) -> list[str]: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def tell(self, routes: Routes, pid: int) -> None: ...


class Haproxy(Balancer):
    program = "haproxy"
    file = "haproxy.cfg"
    socket = "haproxy.sock"

    def text(self, routes: Routes) -> str:
        def lines(cookie: bool) -> str:
            made = []
            for slot in self.slots:
                port = (routes.leaving | routes.serving).get(slot, 9)
                line = f"    server s{slot} 127.0.0.1:{port}" + (f" cookie s{slot}" if cookie else "")
                made.append(line if slot in routes.serving else f"{line} disabled")
            return "\n".join(made) + "\n"

        shipped = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
        # a relative path: a longer one than some hundred bytes cannot be the address of a socket
        shipped = _one("global\n", f"global\n    stats socket unix@{self.socket} mode 600 level admin\n", shipped)
        shipped = _one("bind :8080\n", f"bind :{self._plan.public_port}\n", shipped)
        shipped = _one(r"(    server web-\w \S+ cookie \w\n)+", lines(cookie=True), shipped)
        return _one(r"(    server web-\w \S+\n)+", lines(cookie=False), shipped)

    def check(self, path: Path) -> list[str]:
        return [self.find(), "-c", "-f", str(path)]

    def command(self) -> list[str]:
        return [self.find(), "-db", "-f", str(self._path)]

    def tell(self, routes: Routes, pid: int) -> None:
        words = []
        for slot, port in routes.serving.items():  # new ones first: somebody serves at any moment
            for backend in ("live", "web"):
                server = f"{backend}/s{slot}"
                words += [f"set server {server} addr 127.0.0.1 port {port}"]
                # up at once: the watcher has seen it ready, and the next check may be a second away
                words += [
                    f"enable health {server}",
                    f"set server {server} health up",
                    f"set server {server} state ready",
                ]
        for slot in self.slots:
            if slot not in routes.serving:
                words += [f"set server web/s{slot} state maint"]
                if slot in routes.leaving:
                    # its own `/health/ready` says no as soon as it drains, which must not end its sessions
                    words += [f"disable health live/s{slot}", f"set server live/s{slot} state drain"]
                else:
                    words += [f"set server live/s{slot} state maint"]
        for word in words:
            said = self._say(word)
            if said and not re.search(r"(no need to change|port changed|IP changed|nothing changed)", said):
                raise BalancerError(f"HAProxy was told `{word}` and says: {said[:200]}")

    def _say(self, word: str) -> str:
        directory = os.open(self._place.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(f"/proc/self/fd/{directory}/{self.socket}")
                connection.sendall(word.encode() + b"\n")
                answer = b""
                while part := connection.recv(4096):
                    answer += part
        except OSError as error:
            raise BalancerError(f"HAProxy does not answer on {self._place.root / self.socket}: {error}") from None
        finally:
            os.close(directory)
        return answer.decode(errors="replace").strip()


LEAVING = """upstream quadra_leaving {{
    hash $remote_addr consistent;
{servers}}}
map $arg_sid $quadra_knows {{
    default quadra_leaving;
    '' quadra_live;
}}
"""
LEAVING_FIRST = """proxy_pass http://$quadra_knows;
        proxy_intercept_errors on;  # 400: it does not know this session
        error_page 400 502 504 = @staying;
"""
STAYING = """    location @staying {
        proxy_pass http://quadra_live;
        proxy_read_timeout 2m;
        proxy_send_timeout 2m;
        proxy_buffering off;
    }

"""


class Nginx(Balancer):
    program = "nginx"
    file = "nginx.conf"

    def text(self, routes: Routes) -> str:
        text = (DEPLOY / "nginx" / "quadra.conf").read_text()
        text = _one("listen 8080;", f"listen {self._plan.public_port};", text)
        block = _servers(routes.serving) or "    server 127.0.0.1:9 down;\n"
        text, count = re.subn(r"(    server web-\w:5000 .*\n)+", lambda _: block, text)
        if count != 2:
            raise Misconfigured(f"{DEPLOY}/nginx/quadra.conf is not as this version ships it.")
        if routes.leaving:
            text = LEAVING.format(servers=_servers(routes.leaving)) + text
            text = _one("proxy_pass http://quadra_live;\n", LEAVING_FIRST, text)
            text = _one(r"    location / \{\n", STAYING + "    location / {\n", text)
        root = self._place.root
        own = "user root;" if os.getuid() == 0 else ""  # the directory is this user's alone
        paths = "".join(
            f"{name}_temp_path {root}/nginx-{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            f"daemon off; {own} pid {root}/nginx.pid; error_log stderr warn; worker_processes auto;\n"
            f"events {{ worker_connections 4096; }}\nhttp {{ access_log off; {paths}\n{text}\n}}\n"
        )

    def check(self, path: Path) -> list[str]:
        return [self.find(), "-t", "-q", "-p", str(self._place.root), "-c", str(path)]

    def command(self) -> list[str]:
        return [self.find(), "-p", str(self._place.root), "-c", str(self._path)]

    def tell(self, routes: Routes, pid: int) -> None:
        os.kill(pid, signal.SIGHUP)


BALANCERS: dict[str, type[Balancer]] = {"haproxy": Haproxy, "nginx": Nginx}


def balancer(place: Place, plan: Plan) -> Balancer:
    return BALANCERS[plan.balancer](place, plan)


def _servers(replicas: dict[int, int]) -> str:
    return "".join(f"    server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;\n" for port in replicas.values())


def _one(pattern: str, new: str, text: str) -> str:
    made, count = re.subn(pattern, lambda _: new, text, count=1)
    if count != 1:
        raise Misconfigured(f"The configuration in {DEPLOY} is not as this version ships it: no {pattern!r}.")
    return made

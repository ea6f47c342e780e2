"""The processes of a rollout and the balancer before them. What is done is in state.json before anything else is done, so that
the next watcher goes on where this one ended.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from quadra.core import clock
from quadra.core.networks import free_port
from quadra.core.settings import Settings
from quadra.rollout import processes
from quadra.rollout.balancers import BalancerError, Routes, balancer
from quadra.rollout.gates import Refused, wait_until_ready
from quadra.rollout.place import Place, Plan
from quadra.rollout.records import Kept, Role, load_state, save_state

STOP_SECONDS = 60.0
"""For a drain, the last answers and the jobs that run; then it is killed."""
BALANCER_SECONDS = 15.0
DRAIN_DELAY = "3s"


class Fleet:
    """What this rollout has running. Only the watcher that holds the lock makes one."""

    def __init__(self, place: Place, plan: Plan, settings: Settings):
        self.place, self.plan, self.settings = place, plan, settings
        self.state = load_state(place)
        self.balancer = balancer(place, plan)
        self._told: Routes | None = None

    def save(self) -> None:
        save_state(self.place, self.state)

    def of(self, role: Role) -> list[Kept]:
        return [kept for kept in self.state.processes if kept.role == role]

    def log(self, kept: Kept) -> Path:
        """Where what the process prints goes."""
        return self.place.logs / f"{kept.name}.log"

    def start(self, role: Role, release: str, deployment: str) -> Kept:
        """A process under a new name."""
        self.state.named += 1
        taken = {kept.slot for kept in self.of("web")}
        kept = Kept(
            name=f"{role}-{self.state.named}",
            role=role,
            pid=0,
            born=0.0,
            started_at="",
            release=release,
            deployment=deployment,
            slot=next(slot for slot in self.balancer.slots if slot not in taken) if role == "web" else None,
        )
        self._run(kept)
        self.state.processes.append(kept)
        self.save()
        return kept

    def restart(self, kept: Kept) -> None:
        """The same again; whoever asks has seen the old process end. A replica that is ready gets requests again."""
        kept.restarts += 1
        kept.failures = 0
        self._run(kept)
        self.save()
        if kept.role == "web":
            wait_until_ready(kept, self.settings, self.log(kept))
            kept.state = "ready"
            self.route()

    def replace(self, kept: Kept) -> Kept:
        """Another one in the place of a process that still works, without a lost request: a replica starts beside the old one.
        Raises `Refused`; the old one stays then."""
        if kept.role == "worker":
            self.stop(kept)
            return self._counted_on(kept, self.start("worker", kept.release, kept.deployment))
        new = self._counted_on(kept, self.start("web", kept.release, kept.deployment))
        self.admit(new)
        kept.leaving = True
        self.save()
        self.route()
        self.stop(kept)
        self.route()
        return new

    def admit(self, new: Kept) -> None:
        """Give a replica requests once it is ready. Raises `Refused`; it is gone then."""
        try:
            wait_until_ready(new, self.settings, self.log(new))
        except Refused:
            processes.kill(new)
            self.state.processes.remove(new)
            self.save()
            raise
        new.state = "ready"
        self.save()
        self.route()

    def _counted_on(self, old: Kept, new: Kept) -> Kept:
        new.restarts, new.attempts, new.next_attempt = old.restarts + 1, old.attempts, old.next_attempt
        self.save()
        return new

    def stop(self, kept: Kept) -> None:
        processes.stop(kept, STOP_SECONDS)
        self.state.processes.remove(kept)
        self.save()

    def routes(self) -> Routes:
        def ports(those: list[Kept]) -> dict[int, int]:
            return {kept.slot: kept.port for kept in those if kept.slot is not None and kept.port is not None}

        return Routes(serving=ports(self.serving()), leaving=ports([kept for kept in self.of("web") if kept.leaving]))

    def serving(self) -> list[Kept]:
        """The replicas that get requests."""
        return [kept for kept in self.of("web") if kept.deployment == self.state.serving and not kept.leaving]

    def route(self) -> None:
        """Tell the balancer which replicas serve and which leave, unless it was told so. Raises `BalancerError`."""
        if self.keep_balancer():
            self._told = None
        routes = self.routes()
        if routes != self._told:
            self.balancer.route(routes, self.of("balancer")[0].pid)
            self._told = routes

    def keep_balancer(self) -> bool:
        """Start the balancer where it does not run; says whether it had to be. Raises `BalancerError`."""
        kept = next(iter(self.of("balancer")), None)
        if kept is not None and processes.alive(kept):
            return False
        self.balancer.prepare(self.routes())
        if kept is None:
            kept = Kept(name="balancer", role="balancer", pid=0, born=0.0, started_at="", release=self.plan.balancer)
            kept.port = self.plan.public_port
            self.state.processes.append(kept)
        else:
            kept.restarts += 1
        self._run(kept)
        self.save()
        until = time.monotonic() + BALANCER_SECONDS
        while not _listens(self.plan.public_port):
            if not processes.alive(kept) or time.monotonic() > until:
                said = processes.last_line(self.log(kept))
                raise BalancerError(f"{self.plan.balancer} does not listen on port {self.plan.public_port}. {said}")
            time.sleep(0.05)
        kept.state = "ready"
        self.save()
        return True

    def _run(self, kept: Kept) -> None:
        if kept.role == "balancer":
            command, environment = self.balancer.command(), {}
        else:
            words = ["serve", "--no-worker"] if kept.role == "web" else ["worker"]
            command, environment = [str(self.place.program(kept.release)), *words], self.environment(kept.release)
        if kept.role == "web":
            kept.port = free_port()
            environment |= {"QUADRA_HOST": "127.0.0.1", "QUADRA_PORT": str(kept.port)}
        kept.pid, kept.born = processes.start(
            command, log=self.log(kept), environment=environment, directory=self.place.root
        )
        kept.started_at = clock.iso(clock.now())
        kept.state = "starting" if kept.role == "web" else "running"

    def environment(self, release: str) -> dict[str, str]:
        """What the processes of a release get beside the watcher's own environment."""
        proxies = [str(network) for network in self.settings.trusted_proxies]
        return {
            "QUADRA_DATA_DIR": str(self.settings.data_dir.absolute()),
            "QUADRA_ROLLOUT_DIR": str(self.place.root),
            "QUADRA_TRUSTED_PROXIES": ",".join([*proxies, "127.0.0.1"]),  # the balancer
            "QUADRA_DRAIN_DELAY": os.environ.get("QUADRA_DRAIN_DELAY", DRAIN_DELAY),
            "QUADRA_ROLLOUT_SCHEMA": (self.state.schema or "") if self.state.runs_over_schema(release) else "",
        }

    def command_environment(self, release: str) -> dict[str, str]:
        return processes.inherited() | self.environment(release)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def described(kept: Kept) -> dict[str, object]:
    """What `quadra rollout status` says of a process."""
    gone = not processes.alive(kept)
    return {
        "name": kept.name,
        "role": kept.role,
        "pid": kept.pid,
        "started_at": kept.started_at,
        "port": kept.port,
        "release": kept.release,
        "state": "gone" if gone and kept.state != "given_up" else kept.state,
        "restarts": kept.restarts,
        "rss_mb": processes.rss_mb(kept),
    }

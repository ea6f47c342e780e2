"""A fleet whose processes and balancer are only written down."""

from __future__ import annotations

from quadra.core.settings import Settings
from quadra.rollout.balancers import Haproxy, Routes
from quadra.rollout.fleet import Fleet
from quadra.rollout.place import Place, Plan
from quadra.rollout.records import Kept, Role

PLAN = Plan(public_port=8080, replicas=1, workers=0, balancer="haproxy")


class FakeBalancer(Haproxy):
    """Notes the routes that it is told."""

    did: list[object]

    def route(self, routes: Routes, pid: int) -> None:
        self.did.append(routes)


class FakeFleet(Fleet):
    """A fleet whose processes are only written down; its balancer is a fake too."""

    def __init__(self, place: Place, settings: Settings):
        super().__init__(place, PLAN, settings)
        self.did: list[object] = []
        self.balancer = FakeBalancer(place, PLAN)
        self.balancer.did = self.did

    def keep_balancer(self) -> bool:
        return False

    def start(self, role: Role, release: str, deployment: str) -> Kept:
        kept = super().start(role, release, deployment)
        self.did.append(f"start {kept.name}")
        return kept

    def _run(self, kept: Kept) -> None:
        kept.pid, kept.born, kept.port = 1, 1.0, 7100 + self.state.named  # no process of this machine was born then

    def admit(self, new: Kept) -> None:
        new.state = "ready"
        self.route()

    def restart(self, kept: Kept) -> None:
        self.did.append(f"restart {kept.name}")

    def stop(self, kept: Kept) -> None:
        self.did.append(kept.name)
        super().stop(kept)

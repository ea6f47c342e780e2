"""What Quadra uses while nobody sends: some events stored, one dashboard open, a minute of processor time and the memory."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from quadra.bench.processes import load, quadra
from quadra.bench.replicas import Dashboard

EVENTS = 10_000
SETTLE_SECONDS = 45.0
"""Until what was sent is analysed and compacted."""


class Rest(msgspec.Struct):
    """Processor time in per cent of one core."""

    machine: dict[str, Any]
    seconds: float
    events: int
    web_percent: float
    worker_percent: float
    web_mb: float
    worker_mb: float


def run(machine: dict[str, Any], *, seconds: float, settle: float = SETTLE_SECONDS, events: int = EVENTS) -> Rest:
    """On SQLite, as `make run` starts it. The dashboard is a viewer of the live page over a websocket, without a browser."""
    with quadra("Quadra", None, worker=True, extra={"QUADRA_SELF_OBSERVE": "true"}) as server:
        sent = load(server, shape="http", clients=2, size=500, rate=10, seconds=events / 5_000)["events"]
        board = Dashboard(server, server.read_key)
        try:
            time.sleep(settle)
            server.settle()
            web, worker, began = server.web(), server.worker(), time.monotonic()
            time.sleep(seconds)
            passed, web_after, worker_after = time.monotonic() - began, server.web(), server.worker()
        finally:
            board.close()
    return Rest(
        machine,
        round(passed, 1),
        sent,
        round((web_after.cpu_seconds - web.cpu_seconds) / passed * 100, 2),
        round((worker_after.cpu_seconds - worker.cpu_seconds) / passed * 100, 2),
        round(web_after.memory_mb, 1),
        round(worker_after.memory_mb, 1),
    )

"""One look at a replica, from outside: does it live, is it ready, how does it answer, what does it take."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from msgspec import Struct, field, to_builtins

from quadra.core.settings import Settings
from quadra.rollout import processes
from quadra.rollout.faults import FAULTS, SAMPLE, judge_traffic, too_slow
from quadra.rollout.gates import PROBE_SECONDS, answers, ask_many
from quadra.rollout.records import Kept

COUNTED = re.compile(rb'^quadra_matrix_http_requests_total\{[^}]*status="(\d)\d\d"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


class Seen(Struct):
    fault: str = ""
    """Of FAULTS; empty where nothing is wrong, or nothing can be said."""
    reason: str = ""
    state: str = "ready"
    figures: dict[str, Any] = field(default_factory=dict)


def look(kept: Kept, settings: Settings, before_ms: float | None = None, *, sample: int = SAMPLE) -> Seen:
    """Judge a replica that lives. One that is not ready is not judged: a restart mends no database that is away."""
    port = kept.port or 0
    if not answers(port, "/health"):
        return Seen("hangs", f"{kept.name} does not answer /health.", "failing")
    if not answers(port, "/health/ready"):
        return Seen(state="not_ready")
    counted, kept.counted = kept.counted, counters(port)
    found = ask_many(kept.address, settings, sample)
    traffic = judge_traffic(counted, kept.counted)
    figures: dict[str, Any] = {**found.as_dict(), **to_builtins(traffic), "rss_mb": processes.rss_mb(kept)}
    limit_ms = settings.supervisor_gate_p95.total_seconds() * 1000
    if found.errors > found.requests // 20:
        return Seen("errors", f"{kept.name}: {found.errors} of {found.requests} requests failed.", "failing", figures)
    if traffic.traffic == "errors":
        share = f"{traffic.traffic_errors} of {traffic.traffic_requests}"
        return Seen("errors", f"{kept.name}: {share} requests of its users failed.", "failing", figures)
    if why := too_slow(found.p95_ms, limit_ms, before_ms):
        return Seen("slow", f"{kept.name}: {why}.", "failing", {**figures, "p95_before_ms": before_ms})
    return Seen(figures=figures) if (much := hungry(kept, settings)) is None else much


def hungry(kept: Kept, settings: Settings) -> Seen | None:
    """Of any process: whether it takes more than MEMORY_MB."""
    limit, rss = settings.supervisor_memory_mb, processes.rss_mb(kept)
    if limit is None or rss is None or rss <= limit:
        return None
    return Seen(
        "memory",
        f"{kept.name} takes {rss:.0f} MB, the limit is {limit} MB.",
        kept.state,
        {"rss_mb": rss, "memory_limit_mb": limit},
    )


def counters(port: int) -> tuple[int, int] | None:
    """(requests, those with 5xx) that a replica has answered since its start, by its own count; None where it does not say."""
    try:
        page = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=PROBE_SECONDS, trust_env=False)
    except httpx2.HTTPError:
        return None
    found = [(kind, float(count)) for kind, count in COUNTED.findall(page.content)]
    if page.status_code != 200 or not found:
        return None
    return int(sum(count for _, count in found)), int(sum(count for kind, count in found if kind == b"5"))


assert {"hangs", "errors", "slow", "memory"} <= FAULTS.keys()

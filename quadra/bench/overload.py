"""More than Quadra can take, for a long time: its memory stays bounded, everybody is answered, nothing acknowledged is lost.

Senders keep three times as many events open as the writer's queue holds, so that it is full all the time, and send what was
refused again after the pause they were told. Afterwards each request that was acknowledged is looked for in the database.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from quadra.bench.processes import Process, node, quadra
from quadra.core.database import Database
from quadra.core.errors import Misconfigured

Say = Callable[[str], None]
GENERATOR = Path(__file__).with_name("overload.mjs")
SENDERS = {"http": 40, "sockets": 5, "window": 4, "size": 1000}
"""60 requests of 1,000 events are open at any time; the queue holds 20,000 events."""
LOOK_SECONDS = 1.0
LIVENESS_SECONDS = 5.0
LIVENESS_PATIENCE_SECONDS = 10
AFTER_SECONDS = 120
"""For what is unanswered when the time is over."""
AT_ONCE = 50_000
"""Rows read at once afterwards."""


def run(database_url: str | None, *, minutes: float, say: Say) -> dict[str, Any]:
    """Overload a fresh SQLite, or an empty database that is named. Raises `AssertionError` when an acknowledged event is
    not stored, or somebody was told anything but "stored" or "try again later"."""
    directory = Path(tempfile.mkdtemp(prefix="quadra-overload-"))
    names = directory / "acknowledged"
    try:
        with quadra("Quadra", database_url, worker=False) as server:
            at_rest = server.memory_mb()
            memory, liveness, answers = _overload(server, names, minutes * 60, say)
            acknowledged = names.read_text().split()
            stored = _stored(server.database_url)
        by_minute = [{"median": round(median(some)), "most": round(max(some))} for some in memory]
        lost = sum(stored[name] != SENDERS["size"] for name in acknowledged)
        report = {
            "database": server.database_url.partition(":")[0],
            "minutes": minutes,
            "memory_mb": {"at_rest": round(at_rest), "by_minute": by_minute},
            "liveness": liveness,
            **answers,
            "acknowledged_requests_lost": lost,
            "stored": sum(stored.values()),
        }
        say(describe(report))
        if lost or answers["failed"] or answers["without_retry_after"] or liveness["failed"]:
            raise AssertionError(f"Overload went wrong: {json.dumps(report)}")
        return report
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _overload(
    server: Process, names: Path, seconds: float, say: Say
) -> tuple[list[list[float]], dict[str, Any], dict[str, Any]]:
    """(memory about once a second, by minute; what liveness probes found; what the senders counted)."""
    options = {"url": server.url, "key": server.key, "seconds": seconds, "acknowledged": str(names), **SENDERS}
    memory: list[list[float]] = []
    waits: list[float] = []
    failed = 0
    began = looked_at = time.monotonic()
    with tempfile.TemporaryFile() as output:
        generator = subprocess.Popen([*node(), str(GENERATOR), json.dumps(options)], stdout=output, stderr=output)
        try:
            while generator.poll() is None:
                at = time.monotonic()
                if (at - began) // 60 >= len(memory):
                    if memory:
                        say(f"{len(memory)} min: {median(memory[-1]):.0f} MB")
                    memory.append([])
                memory[-1].append(server.memory_mb())
                if at - looked_at >= LIVENESS_SECONDS:
                    looked_at = at
                    wait = _liveness(server)
                    waits.append(wait)
                    failed += wait >= LIVENESS_PATIENCE_SECONDS
                if at - began > seconds + AFTER_SECONDS:
                    raise AssertionError(f"Senders still wait {AFTER_SECONDS} s after the end.")
                time.sleep(LOOK_SECONDS)
        finally:
            generator.kill()
            generator.wait()
        output.seek(0)
        text = output.read().decode(errors="replace")
    if generator.returncode != 0:
        raise Misconfigured(f"The senders failed:\n{text[-1500:]}")
    liveness = {"probes": len(waits), "failed": failed, "most_ms": round(max(waits, default=0.0) * 1000)}
    return memory, liveness, json.loads(text)


def _liveness(server: Process) -> float:
    """Seconds until `/health` said 200."""
    began = time.monotonic()
    try:
        urllib.request.urlopen(f"{server.url}/health", timeout=LIVENESS_PATIENCE_SECONDS).close()
    except OSError:
        return float(LIVENESS_PATIENCE_SECONDS)
    return time.monotonic() - began


def _stored(database_url: str) -> Counter[str]:
    """Request -> how many of its events are stored, each id once."""
    database = Database(database_url)
    stored: Counter[str] = Counter()
    with database.read() as session:
        rows = session.execute(
            sa.text("SELECT event_id FROM event WHERE event_type = 'overload'").execution_options(
                stream_results=True, yield_per=AT_ONCE
            )
        )
        for (event_id,) in rows:
            stored[event_id.partition(":")[0]] += 1
    database.dispose()
    return stored


def describe(report: dict[str, Any]) -> str:
    minutes = report["memory_mb"]["by_minute"]
    refused = report["refused_http"] + report["refused_sockets"]
    return (
        f"{report['minutes']:g} min of overload on {report['database']}: {report['acknowledged']:,} events acknowledged, "
        f"{report['acknowledged_requests_lost']} requests of them lost; {refused:,} requests of {SENDERS['size']:,} events told "
        f"to try again, {report['without_retry_after']} of them without Retry-After; {report['failed']} answered otherwise; "
        f"memory {report['memory_mb']['at_rest']} MB at rest, {minutes[0]['median']} MB in the first minute, "
        f"{minutes[-1]['median']} MB in the last, {max(one['most'] for one in minutes)} MB at the most; "
        f"liveness answered {report['liveness']['probes']} times, within {report['liveness']['most_ms']} ms."
    )

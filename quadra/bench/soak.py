"""Hours in minutes: four fifths of what Quadra can take for a long time, then twice as much, then four fifths again.

Senders do not slow down with the answers. Web process and worker run as they do in production, on the cores of the senders.
Afterwards each message that was acknowledged is looked for in the database. What was measured is written every minute, and
at the end however the run ends.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import IO, Any

import msgspec

from quadra.bench.processes import Process, node, quadra
from quadra.bench.soak_watch import Health, Look, Watch
from quadra.bench.soaked import Span, database_mb, stored_wholly
from quadra.core.errors import Misconfigured

Say = Callable[[str], None]
GENERATOR = Path(__file__).with_name("soak.mjs")
SENDERS = {"sockets": 20, "http": 300, "size": 100}
STEADY, OVERLOAD = 0.8, 2.0
OPEN = 60_000
"""Events that senders await an answer for at the most: three times as many as the writer's queue holds."""
OPEN_FOR_SATURATION = 8_000
SPAN = msgspec.json.Decoder(Span)
LOOKS = 240
"""In a run: every 10 s in the 40 minutes of the whole soak."""
BACK = 2.0
"""Latency is back when p99 is below so many times that of the steady phase …"""
BACK_FOR_SECONDS = 5
"""… in so many seconds one after the other."""
LEAST_FREE_BYTES = 2 * 2**30
PATIENCE_SECONDS = 150


class Soak(msgspec.Struct):
    """What a soak found."""

    machine: dict[str, Any]
    database: str
    saturation_seconds: float
    steady_minutes: float
    overload_minutes: float
    after_seconds: int = 60
    senders: dict[str, int] = msgspec.field(default_factory=lambda: dict(SENDERS))
    saturation_per_second: int = 0
    """Found first, unless it is given."""
    rest_web_mb: float = 0.0
    rest_worker_mb: float = 0.0
    minutes: list[Span] = []
    phases: list[Span] = []
    seconds_after: list[Span] = []
    """Of the phase after the overload."""
    looks: list[Look] = []
    health: Health = msgspec.field(default_factory=Health)
    back_seconds: int | None = None
    """After the overload's end until latency was back; nothing where it never was."""
    whole: Span | None = None
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged and not stored, or stored more than once."""
    stored: int = 0
    disk_mb: float = 0.0
    cut_short: str = ""

    def faults(self) -> list[str]:
        """What must not be, whatever the machine."""
        refused = self.whole or Span()
        found = {
            "acknowledged events are not stored, or more than once": self.lost,
            "refused events were not told when to try again": refused.untold,
            "events were answered in another way or not at all": refused.failed,
            "looks at /health had no answer": self.health.failed,
        }
        return [f"{count:,} {what}" for what, count in found.items() if count]


class Cut(BaseException):
    """The run is to end now."""


def run(soak: Soak, database_url: str | None, *, keep: Callable[[Soak], None], say: Say) -> Soak:
    """Fill `soak`; `keep` writes it, again and again. Raises `AssertionError` when something was lost or not told."""
    directory = Path(tempfile.mkdtemp(prefix="quadra-soak-"))
    before = {number: signal.signal(number, _cut) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        with quadra("Quadra", database_url, worker=True) as server:
            acknowledged = directory / "acknowledged"
            acknowledged.touch()
            try:
                _phases(soak, server, acknowledged, keep, say)
            except (Cut, Misconfigured) as reason:
                soak.cut_short = str(reason)
                say(f"Cut short: {reason}")
            keep(soak)
            say("Looking for each acknowledged event …")
            found = stored_wholly(server.database_url, acknowledged)
            soak.acknowledged, soak.lost, soak.stored = found.acknowledged, found.lost, found.stored
            soak.disk_mb = round(server.disk_mb() + database_mb(server.database_url), 1)
    except Cut as reason:
        soak.cut_short = f"{reason}, before all events were looked for"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        keep(soak)
        shutil.rmtree(directory, ignore_errors=True)
    say(describe(soak))
    if soak.faults():
        raise AssertionError("; ".join(soak.faults()))
    return soak


def _cut(number: int, frame: object) -> None:
    raise Cut(f"ended by {signal.Signals(number).name}")


def _phases(soak: Soak, server: Process, acknowledged: Path, keep: Callable[[Soak], None], say: Say) -> None:
    server.settle()
    soak.rest_web_mb, soak.rest_worker_mb = (round(used.memory_mb, 1) for used in (server.web(), server.worker()))
    rate = soak.saturation_per_second or _saturation(soak, server, acknowledged, keep, say)
    soak.saturation_per_second = round(rate)
    steady = {"name": "steady", "seconds": max(1, round(soak.steady_minutes * 60)), "rate": rate * STEADY, "open": OPEN}
    overload = {
        "name": "overload",
        "seconds": max(1, round(soak.overload_minutes * 60)),
        "rate": rate * OVERLOAD,
        "open": OPEN,
    }
    _send(
        soak,
        server,
        acknowledged,
        [steady, overload, steady | {"name": "after", "seconds": soak.after_seconds}],
        keep,
        say,
    )
    soak.back_seconds = back(soak)


def _saturation(soak: Soak, server: Process, acknowledged: Path, keep: Callable[[Soak], None], say: Say) -> float:
    """Events a second, sent as fast as the answers come."""
    flat_out = {"rate": 0, "open": OPEN_FOR_SATURATION}
    warm = {"name": "warm-up", "seconds": round(soak.saturation_seconds / 3), **flat_out}
    saturation = {"name": "saturation", "seconds": round(soak.saturation_seconds), **flat_out}
    _send(soak, server, acknowledged, [warm, saturation], keep, say)
    rate = soak.phases[-1].acknowledged / soak.phases[-1].seconds
    if not rate:
        raise Misconfigured("Nothing was acknowledged while saturation was measured.")
    return rate


def _send(
    soak: Soak,
    server: Process,
    acknowledged: Path,
    phases: list[dict[str, Any]],
    keep: Callable[[Soak], None],
    say: Say,
) -> None:
    first = soak.whole.next if soak.whole else 0
    options = {
        "url": server.url,
        "key": server.key,
        "acknowledged": str(acknowledged),
        **SENDERS,
        "phases": phases,
        "first": first,
    }
    seconds = sum(phase["seconds"] for phase in phases)
    with tempfile.TemporaryFile() as said:
        senders = subprocess.Popen([*node(), str(GENERATOR), json.dumps(options)], stdout=subprocess.PIPE, stderr=said)
        assert senders.stdout is not None
        watch = Watch(server, senders.pid, every=min(10.0, max(1.0, seconds / LOOKS)))
        reader = threading.Thread(target=_read, args=(senders.stdout, soak, keep, say), name="soak", daemon=True)
        try:
            reader.start()
            until = time.monotonic() + seconds + PATIENCE_SECONDS
            while senders.poll() is None:
                watch.look(soak.looks, soak.health, _now(soak, phases))
                if shutil.disk_usage(acknowledged).free < LEAST_FREE_BYTES:
                    raise Cut(f"less than {LEAST_FREE_BYTES >> 30} GB of disk are free")
                if time.monotonic() > until:
                    raise Cut("the senders did not end")
                time.sleep(0.5)
        finally:
            senders.kill()
            senders.wait()
            reader.join(PATIENCE_SECONDS)
            senders.stdout.close()
            said.seek(0)
            text = said.read().decode(errors="replace")
    if senders.returncode:
        raise Misconfigured(f"The senders failed:\n{text[-1500:]}")


def _now(soak: Soak, phases: list[dict[str, Any]]) -> str:
    """The phase that the senders are in."""
    ended = {one.name for one in soak.phases}
    return next((str(phase["name"]) for phase in phases if phase["name"] not in ended), "after")


def _read(printed: IO[bytes], soak: Soak, keep: Callable[[Soak], None], say: Say) -> None:
    """What the senders print, until they end."""
    for line in printed:
        span = SPAN.decode(line)
        if span.span == "second" and span.name == "after":
            soak.seconds_after.append(span)
        elif span.span == "minute":
            soak.minutes.append(span)
            say(
                f"{span.name} {span.at}: {span.acknowledged:,} acknowledged, {span.told:,} told to try again, "
                f"{span.held_back:,} held back, {span.failed:,} failed; p50 {span.p50_ms} ms, p99 {span.p99_ms} ms"
            )
            keep(soak)
        elif span.span == "phase":
            soak.phases.append(span)
        elif span.span == "run":
            soak.whole = span if soak.whole is None else soak.whole.plus(span)


def back(soak: Soak) -> int | None:
    """Seconds after the overload until p99 was below twice that of the steady phase, and stayed there."""
    steady = next((one.p99_ms for one in soak.phases if one.name == "steady"), None)
    if steady is None:
        return None
    well = [one.p99_ms is not None and one.p99_ms < BACK * steady for one in soak.seconds_after]
    for second in range(len(well) - BACK_FOR_SECONDS + 1):
        if all(well[second : second + BACK_FOR_SECONDS]):
            return second
    return None


def describe(soak: Soak) -> str:
    lines = [f"{soak.database}: saturation {soak.saturation_per_second:,} events/s"]
    for phase in soak.phases:
        looks = [one for one in soak.looks if one.phase == phase.name]
        web, worker = (round(median(values)) if values else 0 for values in _memory(looks))
        lines.append(
            f"{phase.name}: {phase.acknowledged / phase.seconds:,.0f}/s acknowledged, {phase.told:,} told to try again, "
            f"{phase.held_back:,} held back; p50 {phase.p50_ms} ms, p99 {phase.p99_ms} ms; web {web} MB, worker {worker} MB"
        )
    after = "never" if soak.back_seconds is None else f"{soak.back_seconds} s after it"
    lines.append(f"latency was back {after}; of {soak.acknowledged:,} acknowledged events {soak.lost:,} were lost")
    return "\n".join(lines)


def _memory(looks: list[Look]) -> tuple[list[float], list[float]]:
    return [one.web_mb for one in looks], [one.worker_mb for one in looks]

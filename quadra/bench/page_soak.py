"""The part of the page Benchmarks about a soak."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from quadra.bench.markdown import measured, prose, section, table
from quadra.bench.soak import OPEN, Soak

MINUTES = ("phase", "minute", "acknowledged/s", "told to try again/s", "held back/s", "p50 ms", "p99 ms", "most ms")
PHASES = (
    "phase",
    "web MB",
    "most",
    "worker MB",
    "most",
    "web cores",
    "worker cores",
    "loop late, mean ms",
    "jobs wait, most s",
)
SHORT = 20
"""Minutes that are shown one by one."""


def soak(report: Soak) -> str:
    return section(
        f"Soak, {report.database}",
        prose(
            "Made by `quadra bench --soak --keep docs/benchmarks` (on PostgreSQL: `scripts/run_benchmarks.py --soak --keep "
            "docs/benchmarks`). After a minute that finds saturation, senders over Socket.IO and HTTP send 80 % of it for "
            f"{report.steady_minutes:g} minutes, 200 % for {report.overload_minutes:g} and 80 % once more, "
            f"whether or not the answers "
            f"keep up: of the events a tenth singly, the others {report.senders['size']} a message. They await "
            f"answers for {OPEN:,} "
            "events at the most, three times what the writer's queue holds; what is due beyond is *held back*. "
            "Refused events are not "
            "sent again. Web process, worker and senders share the cores. Latency counts from when a message was "
            "due. Afterwards each "
            "acknowledged event was looked for in the database."
        ),
        measured(report.machine),
        f"**Cut short: {report.cut_short}.**" if report.cut_short else "",
        table(("what", ""), _whole(report)),
        table(PHASES, _phases(report)),
        table(MINUTES, _minutes(report)),
    )


def _whole(report: Soak) -> Iterator[tuple[str, str]]:
    yield "saturation: as fast as answers come", f"{report.saturation_per_second:,} events/s"
    yield "events acknowledged", f"{report.acknowledged:,}"
    yield "of those not stored, or more than once", f"{report.lost:,}"
    whole = report.whole
    if whole is not None:
        yield "events told to try again", f"{whole.told:,}"
        yield "events refused without a word when", f"{whole.untold:,}"
        yield "events answered in any other way, or not at all", f"{whole.failed:,}"
        yield "requests told over HTTP, messages over Socket.IO", f"{whole.refused_http:,}, {whole.refused_sockets:,}"
    back = "not within a minute" if report.back_seconds is None else f"{report.back_seconds} s"
    yield "after the overload, until p99 is below twice that at 80 %", back
    health = report.health
    asked = f"{health.asked:,}, {health.failed:,}, {health.most_ms:,.0f} ms"
    yield "`/health` meanwhile: asked, without an answer in 10 s, longest", asked
    yield "memory before: web process, worker", f"{report.rest_web_mb:.0f} MB, {report.rest_worker_mb:.0f} MB"
    yield "disk afterwards, database and segments", f"{report.disk_mb:,.0f} MB"


def _phases(report: Soak) -> Iterator[tuple[object, ...]]:
    for name in dict.fromkeys(look.phase for look in report.looks):
        looks = [look for look in report.looks if look.phase == name]
        web, worker = [look.web_mb for look in looks], [look.worker_mb for look in looks]
        late = [look.loop_late_ms for look in looks if look.loop_late_ms is not None]
        waits = [look.jobs_wait_seconds for look in looks if look.jobs_wait_seconds is not None]
        yield (
            name,
            f"{median(web):.0f}",
            f"{max(web):.0f}",
            f"{median(worker):.0f}",
            f"{max(worker):.0f}",
            f"{median(look.web_cores for look in looks):.2f}",
            f"{median(look.worker_cores for look in looks):.2f}",
            f"{median(late):.1f}" if late else "",
            f"{max(waits):.1f}" if waits else "",
        )


def _minutes(report: Soak) -> Iterator[tuple[object, ...]]:
    """Each of a short run; of a long one every third and the last of each phase."""
    for minute, after in zip(report.minutes, [*report.minutes[1:], None], strict=True):
        if len(report.minutes) > SHORT and minute.at % 3 and after is not None and after.name == minute.name:
            continue
        rates = (f"{count / minute.seconds:,.0f}" for count in (minute.acknowledged, minute.told, minute.held_back))
        yield minute.name, minute.at, *rates, minute.p50_ms, minute.p99_ms, minute.most_ms

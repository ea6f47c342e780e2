"""`/status`: how Quadra is, for customers in plain words and for operators in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy.exc import SQLAlchemyError

from quadra import __version__
from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.runtime import Deployed, Runtime
from quadra.health import history
from quadra.health.answers import Analytics, Deployment, Part, RecentChecks, Status, SystemStatus, recent
from quadra.health.runner import Runner
from quadra.health.tables import HealthReport
from quadra.health.verdict import PARTS
from quadra.sinks.answers import ShownSink, sink_shown
from quadra.sinks.state import sink_states

RECENT = 5


def status(runtime: Runtime, runner: Runner, *, whole: bool) -> Status:
    """The answer. `whole` is for viewers: strangers are told verdicts and no numbers of what goes on inside."""
    report = runner.report()
    kept, sinks = _kept(runtime)
    pending = None if sinks is None else sum(sink.pending_batches for sink in sinks)
    return Status(
        system=SystemStatus(status=report.status, uptime_seconds=runner.context.uptime_seconds, version=__version__),
        parts=[Part(name=name, title=PARTS[name], status=verdict) for name, verdict in report.parts.items()],
        deployment=Deployment(
            **structs.asdict(Deployed() if runtime.deployed is None else runtime.deployed()),
            last_health_check=clock.iso(kept[0].at) if kept else None,
        ),
        health=RecentChecks(recent_checks=[recent(row, whole=whole) for row in kept]),
        analytics=Analytics(pending_deliveries=pending, sinks=sinks or []) if whole else None,
    )


def _kept(runtime: Runtime) -> tuple[Sequence[HealthReport], list[ShownSink] | None]:
    """(recent reports, how sinks stand); nothing while the database is away, which the report says itself."""
    try:
        with runtime.database.read() as session:
            sinks = [sink_shown(state) for state in sink_states(session, runtime.settings)]
            return history.latest(session, RECENT), sinks
    except (QuadraError, SQLAlchemyError):
        return [], None

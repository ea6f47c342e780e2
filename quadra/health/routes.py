"""The doors of health: liveness touches nothing; readiness and start-up ask the database; the others run every check."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, current_app, make_response
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from quadra import __version__
from quadra.accounts.access import caller
from quadra.core.api.doors import Doors, Other
from quadra.core.errors import QuadraError
from quadra.core.web.http import runtime, wants_page
from quadra.field.standing import NO_MODEL, FieldModel, standing
from quadra.health.answers import Alive, CheckResult, Detailed, Probe, Ready, Started, Status, detailed, verdict
from quadra.health.checks.installation import started
from quadra.health.context import System
from quadra.health.readiness import Readiness
from quadra.health.runner import Runner
from quadra.health.status import status
from quadra.health.verdict import UNHEALTHY

doors = Doors("health", __name__)

ON_LOOP = {"/health", "/health/ready", "/health/startup"}
APART = {"/health/detailed", "/status"}
"""Paths with threads of their own: they must answer while every other one waits for the database."""
READY_SECONDS = 2.0
"""How long the database may take to answer before this process counts as not ready."""
STATUS_PAGE = "quadra.status_page"
"""The app's extension that shows the status to a browser: from the answer and whether the reader may see all of it."""
Page = Callable[[Status, bool], ResponseReturnValue]
EXAMPLE = Detailed(
    overall_status="healthy",
    timestamp="2026-11-24T14:00:00.000Z",
    uptime_seconds=86_400.0,
    checks={
        "database": CheckResult(
            status="healthy",
            message="It answers: 0.4 ms.",
            duration_ms=0.6,
            details={"latency_ms": 0.4, "kind": "postgresql"},
        )
    },
    system=System(cpu_percent=12.5, memory_percent=41.0, disk_percent=37.2),
    model=NO_MODEL,
)


@doors(
    "GET",
    "/health",
    title="Does this process live?",
    says="Asks nothing else, so a database that is away does not get the process killed.",
    answers=Alive,
    answer_says="It does.",
    lenient=True,
)
def live() -> Alive:
    return Alive(status="ok", version=__version__)


@doors(
    "GET",
    "/health/ready",
    title="Can it do its work now?",
    says="The database answers, and has proven within some seconds that it takes events. Answers in time also while the "
    "database, or every other request, hangs.",
    answers=Ready,
    answer_says="It can.",
    example=Ready(status="ready", checks={"database": "pass"}),
    others={
        503: Other(
            says="It cannot: send requests elsewhere.",
            when=lambda answer: answer.status == "unavailable",
            example=Ready(status="unavailable", checks={"database": "fail"}),
        )
    },
    lenient=True,
)
def ready() -> Ready:
    if runtime().draining:
        return Ready(status="unavailable", checks={"draining": "fail"})
    readiness = runtime().kept(Readiness)
    try:
        runtime().probes.run_within(READY_SECONDS, readiness.ask)
    except (SQLAlchemyError, TimeoutError) as error:
        readiness.note(error)
        return Ready(status="unavailable", checks={"database": "fail"})
    readiness.note(None)
    return Ready(status="ready", checks={"database": "pass"})


@doors(
    "GET",
    "/health/startup",
    title="Has it started?",
    says="The database has the tables of this version, and the first start was done.",
    answers=Started,
    answer_says="It has: ask for readiness from now on.",
    example=Started(status="started", checks={"migrations": "pass", "first_start": "pass"}),
    others={
        503: Other(
            says="Not yet.",
            when=lambda answer: answer.status == "starting",
            example=Started(status="starting", checks={"migrations": "fail", "first_start": "fail"}),
        )
    },
    lenient=True,
)
def startup() -> Started:
    try:
        done = runtime().probes.run_within(READY_SECONDS, started, runtime().database)
    except (SQLAlchemyError, TimeoutError):
        done = {"migrations": False, "first_start": False}
    checks: dict[str, Probe] = {name: "pass" if good else "fail" for name, good in done.items()}
    return Started(status="started" if all(done.values()) else "starting", checks=checks)


@doors(
    "GET",
    "/health/detailed",
    title="How is everything?",
    says="Runs every check (docs/health.md lists them), at most every three seconds. Who may not see the installation, such as "
    "a key of one project, learns `overall_status` and nothing else.",
    answers=Detailed,
    answer_says="Healthy, or degraded.",
    example=EXAMPLE,
    others={
        503: Other(
            says="At least one check is unhealthy.",
            when=lambda answer: answer.overall_status == UNHEALTHY,
            example=Detailed(overall_status=UNHEALTHY, timestamp=EXAMPLE.timestamp),
        )
    },
)
def show_detailed() -> Detailed:
    running = runner()
    report = running.report()
    if not sees_all():
        return verdict(report)
    return detailed(
        report, uptime_seconds=running.context.uptime_seconds, system=running.context.system(), model=_model()
    )


@doors(
    "GET",
    "/status",
    title="How is Quadra?",
    says="In the words of customers; a browser gets a page. 200 also when it is not well: this is news, not a probe.",
    answers=Status,
    answer_says="The status, and the newest checks that were kept.",
    lenient=True,
)
def show_status() -> Status | Response:
    whole = sees_all()
    answer = status(runtime(), runner(), whole=whole)
    page: Page | None = current_app.extensions.get(STATUS_PAGE)
    if page is not None and wants_page():
        return make_response(page(answer, whole))
    return answer


def _model() -> FieldModel:
    """None is told where the database does not say: the checks name the reason."""
    here = runtime()

    def look() -> FieldModel:
        with here.database.read() as session:
            return standing(session, here.settings)

    try:
        return here.probes.run_within(READY_SECONDS, look)
    except (QuadraError, SQLAlchemyError, TimeoutError):
        return NO_MODEL


def runner() -> Runner:
    return runtime().kept(Runner)


def sees_all() -> bool:
    """Whether the caller may see more than verdicts. Who shows a wrong key may not, nor whom the database cannot name."""
    try:
        return caller().sees_installation
    except (QuadraError, SQLAlchemyError):
        return False

"""One deployment: checks, backup, migration, the new release beside the old one, gates, switch, drain.

Until the switch the old release serves and is not touched; after it, the old one still runs until the new one has answered
through the balancer. So whatever fails, somebody serves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.ids import uuid7
from quadra.rollout.fleet import Fleet
from quadra.rollout.gates import Refused
from quadra.rollout.records import Care, Deployment, Step, deployments, note
from quadra.rollout.stages import BACK, STEPS, Steps, run

Tell = Callable[[str], None]
MARK_SECONDS = 60.0


def deploy(fleet: Fleet, deployment: Deployment, tell: Tell = lambda _: None, steps: Steps = STEPS) -> None:
    """Do it, and leave how it ended in the journal."""
    state = fleet.state
    deployment.previous = state.release
    state.deployment, state.before = deployment, state.serving
    fleet.save()
    note(fleet.place, deployment=deployment)
    try:
        for name, step in steps.items():
            tell(f"{deployment.release}: {name}")
            with timed(deployment, name):
                step(fleet, deployment)
            fleet.save()
    except Refused as refused:
        undo(fleet, refused.kind, str(refused), **refused.figures)
    except QuadraError as error:
        undo(fleet, "network", error.message)  # of the balancer
    except OSError as error:
        undo(fleet, "resources", f"The watcher could not go on: {error}")
    else:
        finish(fleet)
    tell(f"{deployment.release}: {deployment.status} {deployment.reason}".rstrip())


def undo(fleet: Fleet, kind: str, reason: str, **figures: object) -> None:
    """Back to the release before: it gets the requests first, then the new processes end."""
    state, deployment = fleet.state, fleet.state.deployment
    assert deployment is not None
    deployment.reason, deployment.failure_kind = reason, kind
    deployment.figures |= figures
    switched = any(kept.leaving for kept in state.processes)
    if state.serving == deployment.id:
        state.serving, switched = state.before, True
        for kept in fleet.of("web"):
            kept.leaving = kept.deployment == deployment.id
        fleet.save()
        fleet.route()
    for kept in [kept for kept in state.processes if kept.deployment == deployment.id]:
        fleet.stop(kept)
    deployment.status = "rolled_back" if switched else "failed"
    _end(fleet, deployment)


def finish(fleet: Fleet) -> None:
    """The new release serves: the processes of the old one are drained and end, one after the other."""
    state, deployment = fleet.state, fleet.state.deployment
    assert deployment is not None
    with timed(deployment, "drain"):
        for kept in [kept for kept in state.processes if kept.role != "balancer"]:
            if kept.deployment != deployment.id:
                fleet.stop(kept)
    if deployment.trigger == "heal":
        state.previous = None  # whence we came is no place to go back to
        _mark_left(fleet, deployment)
    elif deployment.previous not in (None, deployment.release):
        state.previous = deployment.previous
        state.rolled_back = [one for one in state.rolled_back if one != deployment.release]
    state.care = Care()
    mark(fleet, deployment)
    _end(fleet, deployment)


def mark(fleet: Fleet, deployment: Deployment) -> None:
    """In the charts of every project. A release that cannot do so, or a database that is away, costs the mark alone."""
    text = f"Back to release {deployment.release}" if deployment.trigger == "heal" else f"Release {deployment.release}"
    with timed(deployment, "mark"), suppress(Refused):
        run(fleet, deployment.release, "annotate", text, "--source", "release", seconds=MARK_SECONDS)


def go_back(fleet: Fleet, reason: str, kind: str, figures: dict[str, object], tell: Tell) -> Deployment:
    """To the release before, by itself."""
    state = fleet.state
    assert state.previous is not None
    back = Deployment(
        id=uuid7(),
        release=state.previous,
        previous=state.release,
        trigger="heal",
        started_at=clock.iso(clock.now()),
        reason=reason,
        figures={"fault_kind": kind, **figures},
    )
    state.rolled_back.append(state.release or "")
    deploy(fleet, back, tell, BACK)
    return back


def _mark_left(fleet: Fleet, back: Deployment) -> None:
    """The deployment that was gone back from has not ended as it seemed to, and says why."""
    for left in deployments(fleet.place):
        if left.id == fleet.state.before:
            left.status, left.reason = "rolled_back", back.reason
            left.failure_kind = back.figures.get("fault_kind")
            note(fleet.place, deployment=left)


def settle(fleet: Fleet) -> None:
    """What a watcher left that was killed during a deployment: finished where the new release serves, else undone."""
    deployment = fleet.state.deployment
    if deployment is None:
        for kept in [kept for kept in fleet.state.processes if kept.leaving]:  # another one took its place
            fleet.stop(kept)
        return
    if deployment.status == "completed":
        finish(fleet)
    elif deployment.failure_kind:  # it was being undone, and the balancer or the disk did not let us
        undo(fleet, deployment.failure_kind, deployment.reason)
    else:
        step = deployment.steps[-1].name if deployment.steps else "nothing"
        undo(fleet, "deployment", f"The watcher was lost during the deployment; what it did last: {step}.")


def _end(fleet: Fleet, deployment: Deployment) -> None:
    deployment.ended_at = clock.iso(clock.now())
    note(fleet.place, deployment=deployment)
    fleet.state.deployment = fleet.state.before = None
    fleet.save()


@contextmanager
def timed(deployment: Deployment, name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        deployment.steps.append(Step(name=name, seconds=round(time.monotonic() - began, 3)))

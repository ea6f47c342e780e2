"""kill -9 of real workers, one after another, at every step of one delivery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from quadra.alerts.tables import Delivery, Firing
from quadra.core.runtime import Runtime
from quadra.jobs.tables import Job
from tests.alerts.conftest import Receiver, evaluate
from tests.alerts.test_alerts import die
from tests.jobs.processes import WorkerProcess
from tests.servers.keeper import Keeper
from tests.waiting import eventually

STEPS = ("before the claim", "before the request", "before the answer", "before the commit")


def test_a_fake_target_that_remembers_ids_is_told_once_though_a_worker_is_killed_at_every_step(
    runtime: Runtime, alert: Callable[..., dict[str, Any]], receiver: Receiver, keeper: Keeper, tmp_path: Path
) -> None:
    alert({"kind": "dead_letters"})
    die(runtime)
    evaluate(runtime)
    with runtime.database.read() as session:
        told = session.scalars(sa.select(Delivery.id)).one()
    assert receiver.got == []

    def worker(*command: str) -> WorkerProcess:
        settings = {"data_dir": str(tmp_path), "job_max_attempts": "50", "self_observe": "false"}
        return WorkerProcess(keeper, str(runtime.database.url), tmp_path / "worker.log", *command, **settings)

    sent = []
    for step in STEPS:  # the next worker takes over from the one that was killed
        killed = worker("tests.alerts.killed_worker", step)
        receiver.before_answer = killed.kill if step == "before the answer" else lambda: None
        eventually(lambda killed=killed: not killed.alive)
        killed.kill()
        sent.append(len(receiver.got))
        with runtime.database.read() as session:
            assert session.scalars(sa.select(Delivery.status)).one() == "pending"
    assert sent[:3] == [0, 0, 1]  # each was killed where it was to be
    assert sent[3] >= 2

    last = worker("quadra", "worker")
    try:
        eventually(lambda: states(runtime) == ("delivered", "SUCCESS"))
        with runtime.database.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(Firing)) == 1
    finally:
        last.terminate()
    assert {headers["X-Quadra-Delivery"] for headers, _ in receiver.got} == {told}
    assert len(receiver.got) > sent[3]
    assert {body["state"] for body in receiver.bodies} == {"firing"}


def states(runtime: Runtime) -> tuple[str, str]:
    with runtime.database.read() as session:
        query = sa.select(Delivery.status, Job.state).join(Job, Job.id == Delivery.job_id)
        return tuple(session.execute(query).one())  # type: ignore[return-value]

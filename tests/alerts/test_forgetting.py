"""An erased person is named by no rule, no firing and no message any more; who is told stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from quadra.accounts.projects import get_project
from quadra.alerts.tables import Alert, Firing
from quadra.core.runtime import Runtime
from quadra.insights.forgetting import ERASED
from quadra.job_kinds import HANDLERS
from quadra.jobs.claim import claim
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure.jobs import ERASE, request_erasure
from tests.alerts.conftest import Asker, Receiver, deliver, evaluate
from tests.alerts.test_alerts import MakeAlert
from tests.insights.conftest import event, fill


def erase(runtime: Runtime, user_id: str) -> None:
    with runtime.database.begin() as session:
        request_erasure(session, get_project(session, "shop").id, user_id, max_attempts=1)
    with runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=[ERASE], limit=1, length=timedelta(minutes=1))
    HANDLERS[ERASE].work(runtime, Lease(job, timedelta(minutes=1)))


@pytest.mark.parametrize("who", ["u-1", "4711"])
def test_a_budget_of_an_erased_person_says_so_to_nobody(
    who: str, runtime: Runtime, alert: MakeAlert, receiver: Receiver, ask: Asker
) -> None:
    made = alert({"kind": "ai_budget", "usd": 1, "per": "day", "user_id": who}, name="u-1 and 4711 and u-12")
    fill(runtime, [event(kind="ai", name="chat", user_id=who, value=3.0)])
    evaluate(runtime)
    with runtime.database.read() as session:
        (before,) = session.query(Firing)
        changes = session.get_one(Alert, made["id"]).changes
    assert who in before.message

    erase(runtime, who)
    deliver(runtime)  # its message waited
    assert [who in str(body["message"]) for body in receiver.bodies] == [False]
    assert ERASED in receiver.bodies[0]["message"]
    listed: dict[str, Any] = ask("GET", "/api/alerts")["alerts"][0]
    firings = ask("GET", f"/api/alerts/{made['id']}/firings")["firings"]
    assert listed["when"]["user_id"] == ERASED
    assert who not in str(firings)
    assert "u-12" in listed["name"]
    with runtime.database.read() as session:  # an evaluation that had read the rule before has no effect
        assert session.get_one(Alert, made["id"]).changes > changes

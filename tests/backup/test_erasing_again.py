"""After a restore, what insights and saved views said of an erased person goes again too, not only their events."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from quadra.accounts.projects import get_project
from quadra.analytics.tables import SavedView
from quadra.analytics.views.saved_views import NewView, make_view
from quadra.backup.recover.replay_erasures import erase_again
from quadra.core import clock
from quadra.insights.forgetting import ERASED
from quadra.insights.tables import Insight
from quadra.jobs.states import PENDING
from quadra.jobs.tables import Job
from quadra.warehouse.erasure.erase_list import Entry, remember
from quadra.warehouse.erasure.jobs import ERASE
from quadra.warehouse.query.engine import warehouse_of
from tests.insights.test_forgetting import insight
from tests.warehouse.conftest import event, installation, numbers, store


def test_nothing_that_was_kept_about_an_erased_person_comes_back(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'quadra.db'}", tmp_path) as runtime:  # as a restore left it
        store(runtime, [event(3), event(4)])
        with runtime.database.begin() as session:
            view = NewView(name="What u-3 did", page="user", params={"user": "u-3"})
            session.add(make_view(get_project(session, "shop"), view, by="admin"))
            session.add(insight(1, "u-3"))
        remember(runtime.settings, warehouse_of(runtime).store, Entry("shop", "u-3", clock.now_us()))
        assert erase_again(runtime) == 1
        with runtime.database.read() as session:
            assert session.scalars(sa.select(SavedView.name)).all() == [f"What {ERASED} did"]
            assert session.get_one(Insight, "i-1").summary.startswith(f"{ERASED} did")
            waiting = session.scalars(sa.select(Job.kind).where(Job.state == PENDING)).all()
        assert numbers(runtime) == [4]
        assert waiting.count(ERASE) == 1  # for what rooms above backups keep, a worker does it once more

"""kill -9 at every point of compaction, merge, eviction and erasure: no event lost, none doubled, no orphan counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.commands import run_module

ACTIONS = {"compact": (7, 17), "merge": (13, 31), "cool": (4, 5), "erase": (13, 29)}
"""Every so many points on SQLite and on PostgreSQL; 1 tries all of them and takes minutes."""


@pytest.mark.parametrize("action", ACTIONS)
def test_a_kill_at_any_point_loses_and_doubles_nothing(action: str, database_url: str, tmp_path: Path) -> None:
    step = ACTIONS[action][0 if database_url.startswith("sqlite") else 1]
    given = (action, str(step), str(tmp_path))
    env = {**os.environ, "DATABASE_URL": database_url}
    done = run_module("tests.warehouse.crashing", *given, env=env, timeout=280)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) >= 4

"""`quadra warehouse compact` beside a worker that compacts the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from quadra.core import clock
from quadra.ingest.columns import Row
from quadra.ingest.log import Log
from quadra.warehouse import commands
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.segments.publishing import StaleRead
from tests.insights.conftest import opened


def test_batches_that_a_worker_took_meanwhile_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, at = f"sqlite:///{tmp_path / 'quadra.db'}", clock.now_us()
    with opened(url) as runtime:
        log = Log(runtime.database, writer="w", batch_max_events=1, job_kinds={})
        for name in ("one", "two"):
            log.append([Row(1, name, "event", "far", "far", at, at, user_id="bob")])
    stale = [StaleRead(), StaleRead()]

    def overtaken_twice(*given: Any) -> int:
        if stale:
            raise stale.pop()
        return compact_some(*given)

    monkeypatch.setattr(commands, "compact_some", overtaken_twice)
    monkeypatch.setattr(commands, "PAUSE_SECONDS", 0)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("QUADRA_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(commands.warehouse, ["compact", "--json"])
    assert (done.exit_code, stale) == (0, []), done.output
    assert json.loads(done.stdout)["batches"] == 2

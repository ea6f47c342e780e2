"""The soak, for seconds instead of minutes: that it ends by itself, says what was, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from quadra.bench import commands
from quadra.bench.soak import Soak, back
from quadra.bench.soaked import Span, stored_wholly
from quadra.core.sqlite_file import sqlite_url


def second(p99: float | None) -> Span:
    return Span("second", "after", p99_ms=p99)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ([1.0] * 6, 0),
        ([90.0, 25.0, 19.0, 1.0, 1.0, 1.0, 1.0], 2),
        ([1.0, 1.0, 90.0, 1.0, 1.0, 1.0, 1.0, 1.0], 3),
        ([90.0] * 9, None),
        ([None, 1.0, 1.0, 1.0, 1.0, 1.0], 1),
    ],
)
def test_latency_is_back_when_it_stays_back(after: list[float | None], seconds: int | None) -> None:
    soak = Soak(
        {},
        "SQLite",
        1,
        1,
        1,
        phases=[Span("phase", "steady", p99_ms=10.0)],
        seconds_after=[second(p99) for p99 in after],
    )
    assert back(soak) == seconds


def test_what_was_acknowledged_and_is_not_stored_once_is_lost(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "some.db")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE event (event_id TEXT, event_type TEXT)")
        ids = ["soak-0:0", "soak-1:0", "soak-1:1", "soak-2:0", "soak-2:0", "soak-9:0"]
        for event_id in ids:
            connection.exec_driver_sql("INSERT INTO event VALUES (?, 'soak')", (event_id,))
    engine.dispose()
    (tmp_path / "acknowledged").write_text("0 1\n1 3\n2 1\n3 4\n7")  # the last line was cut off
    found = stored_wholly(url, tmp_path / "acknowledged")
    assert (found.acknowledged, found.stored) == (9, 6)
    assert found.lost == 1 + 1 + 4  # one of message 1 is missing, one of 2 is there twice, all of 3 are missing


def test_a_soak_of_seconds_says_what_was(tmp_path: Path) -> None:
    lengths = ["--steady-minutes", "0.02", "--overload-minutes", "0.02", "--after-seconds", "1"]
    words = ["--soak", "--saturation", "1000", *lengths, "--output", str(tmp_path / "soak.json")]
    done = CliRunner().invoke(commands.bench, words)
    assert "latency was back" in done.output, done.output
    found = json.loads((tmp_path / "soak.json").read_text())
    assert [one["name"] for one in found["phases"]] == ["steady", "overload", "after"]
    whole = found["whole"]
    assert whole["sent"] == whole["acknowledged"] + whole.get("told", 0) + whole.get("untold", 0) + whole.get(
        "failed", 0
    )
    assert found["acknowledged"] == whole["acknowledged"] > 0
    assert (found["lost"], whole.get("untold", 0), found["cut_short"]) == (0, 0, "")
    assert found["rest_web_mb"] > 0

"""What ingest refused is in the log: a few lines a minute and sender, then a count."""

from __future__ import annotations

import logging

import pytest

from quadra.ingest.doors.refusal_log import LINES_A_MINUTE, MOST_SENDERS, OTHERS, RefusalLog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refuse(log: RefusalLog, address: str, number: int = 0) -> None:
    log.note({"REMOTE_ADDR": address}, f"r-{number}", path="/api/events", status=400, code="invalid", reason="no JSON")


def test_a_sender_has_some_lines_a_minute_and_the_rest_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    log = RefusalLog([], clock)
    for number in range(LINES_A_MINUTE + 7):
        refuse(log, "192.0.2.1", number)
    refuse(log, "192.0.2.2")
    assert [record.message for record in caplog.records] == ["ingest.request.refused"] * (LINES_A_MINUTE + 1)
    assert caplog.records[0].__dict__["request_id"] == "r-0"
    assert caplog.records[0].__dict__["reason"] == "no JSON"
    caplog.clear()
    clock.now = 61
    refuse(log, "192.0.2.1")
    counted, again = caplog.records
    assert (counted.message, counted.__dict__["requests"], counted.__dict__["senders"]) == (
        "ingest.refusals.counted",
        7,
        1,
    )
    assert again.message == "ingest.request.refused"


def test_many_senders_cost_no_more_memory_than_some(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = RefusalLog([], Clock())
    for number in range(MOST_SENDERS + 300):
        refuse(log, f"10.0.{number // 250}.{number % 250}")
    assert len(log._counts) == MOST_SENDERS + 1
    assert log._counts[OTHERS] == 300
    assert len(caplog.records) == MOST_SENDERS + LINES_A_MINUTE

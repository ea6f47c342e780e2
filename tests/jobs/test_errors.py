"""What follows from an error, without a database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from quadra.core.errors import Conflict, NotFound, Unavailable
from quadra.jobs.errors import BACKOFF_MOST, Permanent, Transient, Verdict, delay, failed_attempt, judge
from quadra.jobs.states import JOB_MOVES, JOB_STATES, require_move

MINUTE = timedelta(minutes=1)


def judged(error: BaseException, attempt: int = 1) -> Verdict:
    return judge(error, attempt=attempt, max_attempts=5, backoff=MINUTE)


@pytest.mark.parametrize("error", [Transient(), ValueError("?"), NotFound(), SystemExit(1)])
def test_what_nobody_said_to_be_permanent_is_tried_again(error: BaseException) -> None:
    verdict = judged(error)
    assert verdict.spends_attempt
    assert verdict.retry_in is not None


def test_the_last_attempt_is_the_last() -> None:
    assert judged(Transient(), 4).retry_in is not None
    assert judged(Transient(), 5).retry_in is None


def test_a_permanent_error_is_not_tried_again() -> None:
    assert judged(Permanent()).retry_in is None


def test_what_is_away_is_waited_for_and_costs_nothing() -> None:
    assert judged(Unavailable(retry_after_seconds=600), 5) == Verdict(timedelta(minutes=10), spends_attempt=False)


def test_trouble_of_our_own_database_costs_an_attempt() -> None:
    """A statement that hits its time limit each time would otherwise be repeated for ever."""
    error = Unavailable("The database does not answer.")
    error.__cause__ = OperationalError("SELECT", {}, Exception("timeout"))
    assert judged(error).spends_attempt
    assert judged(error, 5).retry_in is None


def test_the_wait_doubles_and_ends_at_an_hour() -> None:
    for attempt, seconds in ((1, 60), (2, 120), (3, 240), (4, 480)):
        waits = [delay(attempt, MINUTE).total_seconds() for _ in range(200)]
        assert seconds * 0.8 <= min(waits) < seconds * 0.9
        assert seconds * 1.1 < max(waits) <= seconds * 1.2
    assert max(delay(100, MINUTE) for _ in range(50)) == BACKOFF_MOST


def test_an_attempt_is_told_with_the_end_of_its_traceback() -> None:
    try:
        raise ValueError("a\x00b\ud800" + "x" * 5_000)
    except ValueError as error:
        told = failed_attempt(error, attempt=3, worker="w", seconds=1.23456)
    assert (told.attempt, told.worker, told.error_type, told.seconds) == (3, "w", "ValueError", 1.235)
    assert str(told.message).startswith("ab?x")
    assert len(str(told.message)) == 2_000
    assert len(str(told.traceback)) == 4_000
    str(told.traceback).encode()


def test_every_state_has_its_moves_and_none_leads_nowhere() -> None:
    assert set(JOB_MOVES) == set(JOB_STATES)
    assert {state for moves in JOB_MOVES.values() for state in moves} <= set(JOB_STATES)
    for state, moves in JOB_MOVES.items():
        for wanted in JOB_STATES:
            if wanted in moves:
                require_move("j", state, wanted)
            else:
                with pytest.raises(Conflict):
                    require_move("j", state, wanted)

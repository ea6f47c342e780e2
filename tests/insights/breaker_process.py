"""A process that calls through a breaker: `python -m tests.insights.breaker_process URL WHAT FAILURES COOLDOWN_SECONDS`.

One line of input is one call; what came of it is one line of output. WHAT the called function does: `fail`, `work`, or
`wait`, which says "inside" and then works for a second.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.insights import breaker
from quadra.jobs.errors import Transient


def fail() -> str:
    raise Transient("away")


def work() -> str:
    return "worked"


def wait() -> str:
    say("inside")
    time.sleep(1)
    return "worked"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(url: str, what: str, failures: str, cooldown: str) -> None:
    database = Database(url)
    guard = breaker.Guard("llm", int(failures), timedelta(seconds=float(cooldown)), trial_length=timedelta(seconds=2))
    function = {"fail": fail, "work": work, "wait": wait}[what]
    say("ready")
    for _line in sys.stdin:
        try:
            outcome = breaker.call(database, guard, function, counts=lambda error: isinstance(error, Transient))
        except Transient:
            outcome = "failed"
        except Unavailable as error:
            outcome = f"refused {error.retry_after_seconds}"
        say(outcome)


if __name__ == "__main__":
    main(*sys.argv[1:])

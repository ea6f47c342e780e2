"""A process that calls through a breaker. Arguments: URL WHAT FAILURES COOLDOWN_SECONDS PIPE PIPE.

One line in the first pipe is one call; what came of it is one line in the second. WHAT the called function does: `fail`,
`work`, or `wait`, which says "inside" and then works for a second.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.insights import breaker
from quadra.jobs.errors import Transient


def fail() -> str:
    raise Transient("away")


def work() -> str:
    return "worked"


def main(url: str, what: str, failures: str, cooldown: str, asked: str, said: str) -> None:
    database = Database(url)
    guard = breaker.Guard("llm", int(failures), timedelta(seconds=float(cooldown)), trial_length=timedelta(minutes=10))
    with Path(asked).open() as questions, Path(said).open("w", buffering=1) as answers:

        def wait() -> str:
            """Until there is a line more."""
            answers.write("inside\n")
            questions.readline()
            return "worked"

        function = {"fail": fail, "work": work, "wait": wait}[what]
        answers.write("ready\n")
        for _line in questions:
            try:
                outcome = breaker.call(database, guard, function, counts=lambda error: isinstance(error, Transient))
            except Transient:
                outcome = "failed"
            except Unavailable as error:
                outcome = f"refused {error.retry_after_seconds}"
            answers.write(f"{outcome}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
